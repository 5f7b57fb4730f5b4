import { randomUUID } from 'node:crypto'
import { request } from 'node:http'
import { run } from '../support/command.ts'
import { content, descriptor, IMAGE } from '../support/images.ts'
import { digestOf, randomBytesOf } from '../support/random-bytes.ts'
import type { Cloud } from './emulator/cloud.ts'

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly text: string
}

/** One request as it stands: nothing is followed, resolved or added. */
export async function ask(
  cloud: Cloud,
  method: string,
  target: string,
  { body, headers = {} }: { body?: Uint8Array; headers?: Record<string, string> } = {},
): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>()
  const sent = request(
    { host: '127.0.0.1', port: cloud.cloudfront.port, method, path: target, headers, agent: false },
    async answer => {
      const pieces: Buffer[] = []
      for await (const piece of answer) pieces.push(piece)
      const headers = answer.headers as Record<string, string>
      resolve({ status: answer.statusCode ?? 0, headers, text: Buffer.concat(pieces).toString() })
    },
  )
  sent.on('error', reject)
  if (body) sent.setHeader('content-length', body.length)
  sent.end(body)
  return promise
}

/** A layer that is large enough for the direct road. */
export function layerOf(seed: string = randomUUID()) {
  const bytes = randomBytesOf(seed, 2 ** 21)
  return { bytes, digest: digestOf(bytes), size: bytes.length }
}
export type Layer = ReturnType<typeof layerOf>

/** Where a new session's bytes go, as the registry says it. */
export async function beginUpload(cloud: Cloud, name: string): Promise<string> {
  const { headers } = await ask(cloud, 'POST', `/v2/${name}/blobs/uploads/`)
  return headers.location ?? ''
}

export function putDirectly(cloud: Cloud, location: string, { bytes, digest }: Layer): Promise<Reply> {
  return ask(cloud, 'PUT', `${location}&digest=${encodeURIComponent(digest)}`, { body: bytes })
}

/** A manifest with that layer, whose config is there already. */
export async function putManifest(cloud: Cloud, name: string, tag: string, layer: Layer): Promise<Reply> {
  const config = content('application/vnd.oci.image.config.v1+json', {})
  await ask(cloud, 'POST', `/v2/${name}/blobs/uploads/?digest=${config.digest}`, { body: config.bytes })
  const layers = [{ mediaType: 'application/octet-stream', digest: layer.digest, size: layer.size }]
  const manifest = content(IMAGE, { schemaVersion: 2, mediaType: IMAGE, config: descriptor(config), layers })
  const headers = { 'content-type': IMAGE }
  return ask(cloud, 'PUT', `/v2/${name}/manifests/${tag}`, { body: manifest.bytes, headers })
}

/** What the blob's road ends in. */
export async function pull(cloud: Cloud, name: string, digest: string): Promise<Buffer> {
  const answer = await fetch(`${cloud.origin}/v2/${name}/blobs/${digest}`)
  return Buffer.from(await answer.arrayBuffer())
}

/** The `longshore` command, as the first administrator is made on AWS: by credentials of AWS, on the table. */
export function commandLine({ dynamo }: Cloud): (words: string, input?: string) => Promise<string> {
  const env = {
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'id',
    AWS_SECRET_ACCESS_KEY: 'key',
    AWS_ENDPOINT_URL_DYNAMODB: dynamo.endpoint,
  }
  return (words, input = '') => {
    const args = ['cli/longshore.js', ...words.split(' '), '--table', 'registry']
    return run(process.execPath, args, { env, input })
  }
}
