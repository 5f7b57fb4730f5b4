import { type Client, digestOf, type Reply, type Sent } from './client.ts'

/** A client, and a repository that only this run uses. */
export interface Context {
  readonly client: Client
  /** Path of the repository, beginning with `/v2/`. */
  readonly path: string
  /** Digests of the pushed blobs, which are deleted at the end. */
  readonly blobs: string[]
}

/** The context of all checks. */
export interface SmokeContext extends Context {
  /** The address of the API behind CloudFront, if it was given. */
  readonly api?: string | undefined
  /** Whether the deployment has a relay. */
  readonly relay: boolean
  /** Whether the client logs in. */
  readonly hasLogin: boolean
  /** Size of a large blob to push, in GiB; absent: none. */
  readonly large?: number | undefined
}

export interface Check {
  readonly name: string
  /** @returns what was observed; undefined when the check does not apply. @throws {CheckFailed} when it fails */
  readonly run: (bench: SmokeContext) => Promise<string | undefined>
  /** What to do when the check fails. */
  readonly otherwise: string
}

/** The deployment does not behave as the design requires. The message describes what was observed. */
export class CheckFailed extends Error {}

/** @throws {CheckFailed} */
export function expect(holds: boolean, seen: string): asserts holds {
  if (!holds) throw new CheckFailed(seen)
}

/** Describes a response in one line. */
export const describeReply = ({ status, headers, bytes }: Reply) =>
  `${status}, content-length ${headers['content-length'] ?? 'none'}: ${bytes.toString('utf8', 0, 200)}`

/** Stands for a response that was lost with the connection, because it came while the body was being sent. Some networks do that. */
export const brokenConnection = (): undefined => undefined

/** Begins an upload session and returns its URL. */
export async function beginUpload({ client, path }: Pick<Context, 'client' | 'path'>): Promise<string> {
  const answer = await client.ask('POST', `${path}/blobs/uploads/`)
  expect(answer.status === 202, describeReply(answer))
  return answer.headers.location ?? ''
}

/** The URL that closes an upload session. */
export const withDigest = (location: string, digest: string) =>
  `${location}${location.includes('?') ? '&' : '?'}digest=${digest}`

/** Pushes a blob that is small enough for the API. */
export async function pushSmall(bench: SmokeContext, bytes: Buffer): Promise<string> {
  const digest = digestOf(bytes)
  const answer = await bench.client.ask('POST', `${bench.path}/blobs/uploads/?digest=${digest}`, {
    body: bytes,
  })
  expect(answer.status === 201, describeReply(answer))
  bench.blobs.push(digest)
  return digest
}

/** Pushes a whole blob in one request, large enough for a direct upload. @param how options of the request */
export async function putDirectly(
  bench: SmokeContext,
  bytes: Buffer,
  { digest = digestOf(bytes), ...how }: { digest?: string } & Pick<Sent, 'chunked' | 'copies'> = {},
): Promise<Reply> {
  const target = withDigest(await beginUpload(bench), digest)
  const answer = await bench.client.ask('PUT', target, { body: bytes, ...how })
  if (answer.status === 201) bench.blobs.push(digest)
  return answer
}

/** Whether the repository does not have the blob. */
export const isMissing = async ({ client, path }: SmokeContext, digest: string) =>
  (await client.ask('HEAD', `${path}/blobs/${digest}`)).status === 404
