import { readFileSync } from 'node:fs'
import { Agent } from 'node:https'
import type { LookupFunction } from 'node:net'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BackgroundProcess, eventually, run } from '../support/command.ts'
import { freePort } from '../support/free-port.ts'
import { TempDir } from '../support/temp-dir.ts'

export const ACCOUNT = '123456789012'

/** Where `.ci/python/build` installs MiniStack. */
export const PYTHON = fileURLToPath(new URL('../../.ci/tools/python/emulator/bin/python', import.meta.url))
const PROGRAM = fileURLToPath(new URL('corrected_ministack.py', import.meta.url))
const NAMES = fileURLToPath(new URL('localhost-names.ts', import.meta.url))

/** The root user of the emulated account. */
const ROOT = { accessKeyId: 'test', secretAccessKey: 'test' }

const CERTIFICATE = [
  ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
  ...['-subj', '/CN=localhost', '-addext', 'basicConstraints=critical,CA:FALSE', '-addext'],
  'subjectAltName=DNS:localhost,DNS:*.cloudfront-kvs.localhost,DNS:*.execute-api.localhost',
]

/**
 * MiniStack, an independent emulator of AWS, with TLS and with its setting `AUTH`: it verifies the signature of each request, SigV4A
 * included, and enforces the policies of roles and buckets. It runs Lambda functions as Node processes with the credentials of
 * their roles. docs/emulated-cloud.md lists what it does not emulate, `corrected_ministack.py` what is corrected in it.
 */
export class Ministack implements AsyncDisposable {
  readonly port: number
  readonly endpoint: string
  readonly #scratch: TempDir
  readonly #process: BackgroundProcess
  /** Trusts the certificate and resolves names below `localhost`. */
  readonly agent: Agent

  private constructor(scratch: TempDir, process: BackgroundProcess, port: number) {
    this.#scratch = scratch
    this.#process = process
    this.port = port
    this.endpoint = `https://localhost:${port}`
    const lookup: LookupFunction = (_, options, done) =>
      options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4)
    this.agent = new Agent({ ca: readFileSync(scratch.join('cert.pem')), lookup, keepAlive: true })
  }

  static async start(): Promise<Ministack> {
    const scratch = new TempDir('longshore-ministack-')
    const [cert, key] = [scratch.join('cert.pem'), scratch.join('key.pem')]
    await run('openssl', [...CERTIFICATE, '-out', cert, '-keyout', key])
    const port = await freePort()
    const settings = {
      GATEWAY_PORT: String(port),
      BIND_HOST: '127.0.0.1',
      MINISTACK_HOST: 'localhost',
      MINISTACK_ACCOUNT_ID: ACCOUNT,
      AUTH: 'true',
      USE_SSL: '1',
      MINISTACK_SSL_CERT: cert,
      MINISTACK_SSL_KEY: key,
      SFTP_ENABLED: '0',
      IOT_MTLS_ENABLED: '0',
      PYTHONDONTWRITEBYTECODE: '1',
    }
    const functionVariables = {
      NODE_EXTRA_CA_CERTS: cert,
      NODE_OPTIONS: `--import=${NAMES}`,
      ...endpoints(port),
    }
    const child = new BackgroundProcess('env', [
      '-i',
      ...assignments({ ...settings, ...functionVariables, ...programs(scratch), ...credentials() }),
      PYTHON,
      PROGRAM,
    ])
    const ministack = new Ministack(scratch, child, port)
    try {
      await eventually(
        () => ministack.#answers(),
        () => `MiniStack does not answer:\n${child.logs}`,
        60_000,
      )
    } catch (error) {
      await ministack.stop()
      throw error
    }
    return ministack
  }

  /** The environment of the CDK's command line, without the caller's credentials. */
  environment(region: string): Record<string, string> {
    const cert = this.#scratch.join('cert.pem')
    return {
      ...programs(this.#scratch),
      ...credentials(),
      ...endpoints(this.port),
      AWS_REGION: region,
      AWS_CA_BUNDLE: cert,
      NODE_EXTRA_CA_CERTS: cert,
      AWS_EC2_METADATA_DISABLED: 'true',
      CDK_DISABLE_CLI_TELEMETRY: 'true',
      CI: 'true',
      NO_COLOR: '1',
    }
  }

  /** Settings of an SDK client with all rights. */
  client(region: string) {
    return {
      region,
      endpoint: this.endpoint,
      credentials: ROOT,
      requestHandler: { httpsAgent: this.agent },
      maxAttempts: 1,
    }
  }

  /** The end of what MiniStack printed, for the message of a failed deployment. */
  get log(): string {
    return this.#process.logs.slice(-4000)
  }

  async #answers(): Promise<boolean> {
    if (!this.#process.running) throw new Error(`MiniStack ended:\n${this.#process.logs}`)
    return /Running on https/.test(this.#process.logs)
  }

  async stop(): Promise<void> {
    this.agent.destroy()
    await this.#process.end()
    this.#scratch.remove()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

function endpoints(port: number): Record<string, string> {
  const endpoint = `https://localhost:${port}`
  return {
    AWS_ENDPOINT_URL: endpoint,
    // lambda/aws/config.ts reads these two only.
    AWS_ENDPOINT_URL_S3: endpoint,
    AWS_ENDPOINT_URL_SSM: endpoint,
    AWS_ENDPOINT_URL_CLOUDFRONT_KEYVALUESTORE: `https://cloudfront-kvs.localhost:${port}`,
  }
}

function programs(scratch: TempDir): Record<string, string> {
  const PATH = [dirname(process.execPath), '/usr/local/bin', '/usr/bin', '/bin'].join(':')
  return { PATH, HOME: scratch.folder('home'), TMPDIR: scratch.folder('tmp') }
}

function credentials(): Record<string, string> {
  return { AWS_ACCESS_KEY_ID: ROOT.accessKeyId, AWS_SECRET_ACCESS_KEY: ROOT.secretAccessKey }
}

function assignments(environment: Record<string, string>): string[] {
  return Object.entries(environment).map(([name, value]) => `${name}=${value}`)
}
