import { type Client, digestOf, type Reply, type Sent } from './client.ts'

/** A client, and a repository that nobody else uses. */
export interface Context {
  readonly client: Client
  /** Of the repository, with `/v2/` in front. */
  readonly path: string
  /** Digests of what was pushed, to be deleted at the end. */
  readonly blobs: string[]
}

/** What the checks work on. */
export interface SmokeContext extends Context {
  /** The address of the API behind the edge, when it was given. */
  readonly api?: string | undefined
  /** Whether the deployment has a relay. */
  readonly relay: boolean
  /** Whether the client logs in. */
  readonly hasLogin: boolean
  /** GiB of a blob to try, when that is wanted. */
  readonly large?: number | undefined
}

export interface Check {
  readonly name: string
  /** What was seen, when it is what it should be. @throws {CheckFailed} when it is not; undefined where it does not apply */
  readonly run: (bench: SmokeContext) => Promise<string | undefined>
  /** What to do when it is not. */
  readonly otherwise: string
}

/** The deployment does something else than the design leans on. The message says what. */
export class CheckFailed extends Error {}

/** @throws {CheckFailed} */
export function expect(holds: boolean, seen: string): asserts holds {
  if (!holds) throw new CheckFailed(seen)
}

/** An answer, for people. */
export const describeReply = ({ status, headers, bytes }: Reply) =>
  `${status}, content-length ${headers['content-length'] ?? 'none'}: ${bytes.toString('utf8', 0, 200)}`

/** In place of an answer that came while the body was still on its way, and was lost with the connection: some networks do that. */
export const brokenConnection = (): undefined => undefined

/** Begins a session and gives its URL. */
export async function beginUpload({ client, path }: Pick<Context, 'client' | 'path'>): Promise<string> {
  const answer = await client.ask('POST', `${path}/blobs/uploads/`)
  expect(answer.status === 202, describeReply(answer))
  return answer.headers.location ?? ''
}

/** The URL that ends a session. */
export const withDigest = (location: string, digest: string) =>
  `${location}${location.includes('?') ? '&' : '?'}digest=${digest}`

/** A blob that is small enough to be committed by the API. */
export async function pushSmall(bench: SmokeContext, bytes: Buffer): Promise<string> {
  const digest = digestOf(bytes)
  const answer = await bench.client.ask('POST', `${bench.path}/blobs/uploads/?digest=${digest}`, {
    body: bytes,
  })
  expect(answer.status === 201, describeReply(answer))
  bench.blobs.push(digest)
  return digest
}

/** A whole blob in one request, large enough for the direct road. @param how it is sent */
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

/** Whether the repository has no such blob. */
export const isMissing = async ({ client, path }: SmokeContext, digest: string) =>
  (await client.ask('HEAD', `${path}/blobs/${digest}`)).status === 404
