import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { CreateBucketCommand, type S3Client } from '@aws-sdk/client-s3'
import type { S3BlobsOptions } from '../../lambda/store/s3/blobs.ts'
import { openClient } from '../../lambda/store/s3/bucket.ts'
import { freePort } from './free-port.ts'
import { findTool } from './requirements.ts'
import { TempDir } from './temp-dir.ts'

const CREDENTIALS = { accessKeyId: 'longshore', secretAccessKey: 'not a secret' }
const BUCKET = 'registry'

/** An S3 server with one bucket, in a new folder and on a free port. It is versitygw, which `.ci/s3/build` builds. */
export class S3Server implements AsyncDisposable {
  readonly settings: S3BlobsOptions & { readonly endpoint: string }
  readonly client: S3Client
  readonly #process: ChildProcess
  readonly #scratch: TempDir

  private constructor(process: ChildProcess, scratch: TempDir, port: number) {
    this.#process = process
    this.#scratch = scratch
    this.settings = {
      bucket: BUCKET,
      region: 'eu-central-1',
      endpoint: `http://127.0.0.1:${port}`,
      credentials: async () => CREDENTIALS,
    }
    this.client = openClient(this.settings, this.settings.credentials)
  }

  /** @param eventUrl the server sends S3 event notifications to this URL, by POST */
  static async start(eventUrl?: string): Promise<S3Server> {
    const program = findTool('versitygw')
    if (program === undefined) throw new Error('versitygw is missing: run .ci/s3/build')
    const scratch = new TempDir('longshore-s3-')
    const port = await freePort()
    const args = ['--port', `127.0.0.1:${port}`, '--region', 'eu-central-1', '--quiet', '--keep-alive']
    if (eventUrl) args.push('--event-webhook-url', eventUrl)
    const metadata = ['--sidecar', scratch.folder('metadata')]
    const server = spawn(program, [...args, 'posix', ...metadata, scratch.folder('buckets')], {
      stdio: 'ignore',
      env: { ROOT_ACCESS_KEY: CREDENTIALS.accessKeyId, ROOT_SECRET_KEY: CREDENTIALS.secretAccessKey },
    })
    const started = new S3Server(server, scratch, port)
    for (let attempt = 0; attempt < 100; attempt++) {
      if (started.#hasEnded) break
      const isUp = await started.client.send(new CreateBucketCommand({ Bucket: BUCKET })).then(
        () => true,
        () => false,
      )
      if (isUp) return started
      await delay(100)
    }
    const ended = started.#hasEnded ? ` and ended with ${server.exitCode ?? server.signalCode}` : ''
    await started.stop()
    throw new Error(`versitygw does not respond${ended}`)
  }

  get #hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null
  }

  async stop(): Promise<void> {
    this.client.destroy()
    if (!this.#hasEnded) {
      const ended = once(this.#process, 'exit')
      this.#process.kill('SIGKILL')
      await ended
    }
    this.#scratch.remove()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}
