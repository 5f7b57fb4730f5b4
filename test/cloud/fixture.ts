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

/** Sends one request exactly as given: follows no redirect, resolves no URL and adds no header. */
export async function send(
  cloud: Cloud,
  method: string,
  target: string,
  { body, headers = {} }: { body?: Uint8Array; headers?: Record<string, string> } = {},
): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>()
  const sent = request(
    { host: '127.0.0.1', port: cloud.cloudfront.port, method, path: target, headers, agent: false },
    async response => {
      const chunks: Buffer[] = []
      for await (const chunk of response) chunks.push(chunk)
      const headers = response.headers as Record<string, string>
      resolve({ status: response.statusCode ?? 0, headers, text: Buffer.concat(chunks).toString() })
    },
  )
  sent.on('error', reject)
  if (body) sent.setHeader('content-length', body.length)
  sent.end(body)
  return promise
}

/** A layer that is large enough for a direct upload. */
export function layerOf(seed: string = randomUUID()) {
  const bytes = randomBytesOf(seed, 2 ** 21)
  return { bytes, digest: digestOf(bytes), size: bytes.length }
}
export type Layer = ReturnType<typeof layerOf>

/** Begins an upload session. @returns its Location */
export async function beginUpload(cloud: Cloud, name: string): Promise<string> {
  const { headers } = await send(cloud, 'POST', `/v2/${name}/blobs/uploads/`)
  return headers.location ?? ''
}

export function putDirectly(cloud: Cloud, location: string, { bytes, digest }: Layer): Promise<Reply> {
  return send(cloud, 'PUT', `${location}&digest=${encodeURIComponent(digest)}`, { body: bytes })
}

/** Pushes a manifest with that layer, and its config. */
export async function putManifest(cloud: Cloud, name: string, tag: string, layer: Layer): Promise<Reply> {
  const config = content('application/vnd.oci.image.config.v1+json', {})
  await send(cloud, 'POST', `/v2/${name}/blobs/uploads/?digest=${config.digest}`, { body: config.bytes })
  const layers = [{ mediaType: 'application/octet-stream', digest: layer.digest, size: layer.size }]
  const manifest = content(IMAGE, { schemaVersion: 2, mediaType: IMAGE, config: descriptor(config), layers })
  const headers = { 'content-type': IMAGE }
  return send(cloud, 'PUT', `/v2/${name}/manifests/${tag}`, { body: manifest.bytes, headers })
}

/** Downloads a blob and follows the redirect. */
export async function pull(cloud: Cloud, name: string, digest: string): Promise<Buffer> {
  const response = await fetch(`${cloud.origin}/v2/${name}/blobs/${digest}`)
  return Buffer.from(await response.arrayBuffer())
}

/** Runs the `longshore` command on the DynamoDB table with AWS credentials. @returns a function that takes arguments and standard input */
export function commandLine({ dynamo }: Cloud): (command: string, input?: string) => Promise<string> {
  const env = {
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'id',
    AWS_SECRET_ACCESS_KEY: 'key',
    AWS_ENDPOINT_URL_DYNAMODB: dynamo.endpoint,
  }
  return (command, input = '') => {
    const args = ['cli/longshore.js', ...command.split(' '), '--table', 'registry']
    return run(process.execPath, args, { env, input })
  }
}
