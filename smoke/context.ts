import { type Client, digestOf, type Reply, type RequestOptions } from './client.ts'

/** A client, and a repository that only this run uses. */
export interface Context {
  readonly client: Client
  /** Path of the repository, beginning with `/v2/`. */
  readonly path: string
  /** Digests of the pushed blobs, which are deleted at the end. */
  readonly blobs: string[]
}

/** What is deployed, as far as a client can observe it. */
export interface Deployment {
  readonly pull: 's3' | 'edge'
  readonly relay: boolean
  /** Whether the registry offers direct uploads: the URL of an upload session then has a signature for CloudFront. */
  readonly directUploads: boolean
}

/** What the checks get. */
export interface SmokeContext extends Context, Deployment {
  /** URL of the API behind CloudFront, if the option `--api` is set. */
  readonly api?: string | undefined
  /** Whether the client logs in. */
  readonly hasLogin: boolean
  /** Size of the blob that the option `--large` pushes, in GiB. */
  readonly large?: number | undefined
}

export interface Check {
  readonly name: string
  /** @returns what was observed; undefined when the check does not apply. @throws {CheckFailed} when it fails */
  readonly run: (context: SmokeContext) => Promise<string | undefined>
  /** What to do when the check fails. */
  readonly advice: string
  /** When this check fails, the later checks of its group would fail for the same reason, so they do not run. */
  readonly isPrerequisite?: boolean
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

/**
 * Replaces a response that came while the body was being sent: some networks then close the connection, and the
 * response is lost.
 */
export const lostResponse = (): undefined => undefined

/** Begins an upload session and returns its URL. */
export async function beginUpload({ client, path }: Pick<Context, 'client' | 'path'>): Promise<string> {
  const reply = await client.request('POST', `${path}/blobs/uploads/`)
  expect(reply.status === 202, describeReply(reply))
  return reply.headers.location ?? ''
}

/** The URL that closes an upload session. */
export const withDigest = (location: string, digest: string) =>
  `${location}${location.includes('?') ? '&' : '?'}digest=${digest}`

/** Pushes a blob that is small enough for the API. */
export async function pushSmall(context: SmokeContext, bytes: Buffer): Promise<string> {
  const digest = digestOf(bytes)
  const reply = await context.client.request('POST', `${context.path}/blobs/uploads/?digest=${digest}`, {
    body: bytes,
  })
  expect(reply.status === 201, describeReply(reply))
  context.blobs.push(digest)
  return digest
}

/** Pushes a blob in one PUT. A blob of more than 1 MiB becomes a direct upload, if the deployment has them. */
export async function putDirectly(
  context: SmokeContext,
  bytes: Buffer,
  {
    digest = digestOf(bytes),
    ...options
  }: { digest?: string } & Pick<RequestOptions, 'chunked' | 'copies'> = {},
): Promise<Reply> {
  const target = withDigest(await beginUpload(context), digest)
  const reply = await context.client.request('PUT', target, { body: bytes, ...options })
  if (reply.status === 201) context.blobs.push(digest)
  return reply
}

/** Whether the repository does not have the blob. */
export const isMissing = async ({ client, path }: SmokeContext, digest: string) =>
  (await client.request('HEAD', `${path}/blobs/${digest}`)).status === 404
