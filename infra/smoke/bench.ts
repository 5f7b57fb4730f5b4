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
export interface Bench extends Context {
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
  /** What was seen, when it is what it should be. @throws {Differs} when it is not; undefined where it does not apply */
  readonly run: (bench: Bench) => Promise<string | undefined>
  /** What to do when it is not. */
  readonly otherwise: string
}

/** The deployment does something else than the design leans on. The message says what. */
export class Differs extends Error {}

/** @throws {Differs} */
export function expect(holds: boolean, seen: string): asserts holds {
  if (!holds) throw new Differs(seen)
}

/** An answer, for people. */
export const tell = ({ status, headers, bytes }: Reply) =>
  `${status}, content-length ${headers['content-length'] ?? 'none'}: ${bytes.toString('utf8', 0, 200)}`

/** In place of an answer that came while the body was still on its way, and was lost with the connection: some networks do that. */
export const broken = (): undefined => undefined

/** Begins a session and gives its URL. */
export async function begin({ client, path }: Pick<Context, 'client' | 'path'>): Promise<string> {
  const answer = await client.ask('POST', `${path}/blobs/uploads/`)
  expect(answer.status === 202, tell(answer))
  return answer.headers.location ?? ''
}

/** The URL that ends a session. */
export const withDigest = (location: string, digest: string) =>
  `${location}${location.includes('?') ? '&' : '?'}digest=${digest}`

/** A blob that is small enough to be committed by the API. */
export async function pushSmall(bench: Bench, bytes: Buffer): Promise<string> {
  const digest = digestOf(bytes)
  const answer = await bench.client.ask('POST', `${bench.path}/blobs/uploads/?digest=${digest}`, {
    body: bytes,
  })
  expect(answer.status === 201, tell(answer))
  bench.blobs.push(digest)
  return digest
}

/** A whole blob in one request, large enough for the direct road. @param how it is sent */
export async function putDirectly(
  bench: Bench,
  bytes: Buffer,
  { digest = digestOf(bytes), ...how }: { digest?: string } & Pick<Sent, 'chunked' | 'copies'> = {},
): Promise<Reply> {
  const target = withDigest(await begin(bench), digest)
  const answer = await bench.client.ask('PUT', target, { body: bytes, ...how })
  if (answer.status === 201) bench.blobs.push(digest)
  return answer
}

/** Whether the repository has no such blob. */
export const lacks = async ({ client, path }: Bench, digest: string) =>
  (await client.ask('HEAD', `${path}/blobs/${digest}`)).status === 404
