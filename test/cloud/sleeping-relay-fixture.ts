import { request } from 'node:http'
import { expect } from 'vitest'
import { initialRow } from '../../lambda/aws/relay/relay-row.ts'
import { RelayTable } from '../../lambda/aws/relay/relay-table.ts'
import { DynamoTable } from '../../lambda/store/dynamodb/table.ts'
import { eventually } from '../support/command.ts'
import { digestOf, randomBytesOf } from '../support/random-bytes.ts'
import type { Cloud } from './emulator/cloud.ts'
import { type Reply, send } from './fixture.ts'

/** User-Agent headers of clients, as recorded. */
export const AGENTS = {
  docker:
    'docker/28.2.2 go/go1.24.4 git-commit/45873be kernel/6.1.0 os/linux arch/amd64 UpstreamClient(Docker-Client/28.2.2 \\(linux\\))',
  containerd: 'containerd/v2.1.5',
  podman: 'containers/5.34.3 (github.com/containers/image)',
  crane: 'crane/v0.22.1 go-containerregistry/v0.22.1',
  jib: 'jib 3.5.2 jib-maven-plugin Google-HTTP-Java-Client/1.42.2 (gzip)',
} as const
export type Agent = keyof typeof AGENTS

/** The relay's row. */
export function rowsOf({ dynamo, table, ec2 }: Cloud): RelayTable {
  return new RelayTable(new DynamoTable(dynamo.client, table), ec2.instance.id)
}

/** Makes the instance stopped and its row that of a relay which has never run. */
export async function resetRelay(cloud: Cloud): Promise<void> {
  const { instance, refusals, actions } = cloud.ec2
  await instance.reset()
  refusals.splice(0)
  actions.splice(0)
  const rows = rowsOf(cloud)
  const { version: _, ...initial } = initialRow(instance.id)
  await rows.change(await rows.read(), initial)
}

export function beginAs(cloud: Cloud, agent: Agent, name = 'app'): Promise<Reply> {
  return send(cloud, 'POST', `/v2/${name}/blobs/uploads/`, { headers: { 'user-agent': AGENTS[agent] } })
}

/** A layer that is too large for the API. */
export function largeLayer(seed: string) {
  const bytes = randomBytesOf(seed, 6 * 2 ** 20)
  return { bytes, digest: digestOf(bytes) }
}

/** Fits into the buffers of a connection, so that it can be written even when the response comes first. */
const FIRST_CHUNK = 64 * 1024

interface StreamOptions {
  /** With a Content-Length, the length of the PATCH is known. */
  readonly headers?: Readonly<Record<string, string>>
  /** Runs after the first bytes. The others follow if it returns true. */
  readonly pause?: () => Promise<boolean>
}

/** Sends a PATCH. Its length is unknown, as with Docker, unless the headers contain it. */
export async function stream(
  cloud: Cloud,
  location: string,
  bytes: Buffer,
  { headers = {}, pause = async () => true }: StreamOptions = {},
): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>()
  const { port } = cloud.cloudfront
  const sent = request(
    { host: '127.0.0.1', port, method: 'PATCH', path: location, headers, agent: false },
    async response => {
      let text = ''
      for await (const chunk of response.setEncoding('utf8')) text += chunk
      const headers = response.headers as Record<string, string>
      resolve({ status: response.statusCode ?? 0, headers, text })
      sent.destroy()
    },
  )
  sent.on('error', reject)
  sent.write(bytes.subarray(0, FIRST_CHUNK))
  if (await pause()) sent.end(bytes.subarray(FIRST_CHUNK))
  return promise
}

/** Uploads a layer as Docker and podman do: POST, one PATCH of unknown length, PUT. */
export async function upload(cloud: Cloud, agent: Agent, layer = largeLayer(agent)): Promise<void> {
  const begun = await beginAs(cloud, agent)
  expect(begun).toMatchObject({ status: 202 })
  const patched = await stream(cloud, begun.headers.location ?? '', layer.bytes)
  expect(patched).toMatchObject({ status: 202 })
  const put = await send(cloud, 'PUT', `${patched.headers.location}&digest=${layer.digest}`)
  expect(put.status).toBe(201)
}

/** Resolves when the instance has powered itself off and the row says that it stops. */
export async function powerOff(cloud: Cloud): Promise<void> {
  const rows = rowsOf(cloud)
  const stops = async () => {
    const row = await rows.read()
    // As if the last push were 15 minutes ago.
    if (row.state === 'ready' && row.wantedUntil > 0) await rows.change(row, { wantedUntil: 0 })
    return row.state === 'stopping' && !cloud.ec2.instance.isReachable
  }
  await eventually(stops, () => `the relay does not stop:\n${cloud.logs}`)
}

export function reachesState(cloud: Cloud, state: string): Promise<unknown> {
  return eventually(
    () => cloud.ec2.instance.state === state,
    () => `the instance does not become ${state}`,
  )
}
