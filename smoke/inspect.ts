import { type Client, digestOf, freshBytes, type Reply } from './client.ts'
import { beginUpload, type Context } from './context.ts'

/** What is deployed, as far as a client can observe it. */
export interface Deployment {
  readonly pull: 's3' | 'edge'
  readonly relay: boolean
}

/** The reason why no check can run. The message says what to do. */
export class Cause extends Error {
  override readonly name = 'Cause'
}

/** More bytes than the API accepts. */
const TOO_LARGE_FOR_API = 5 * 2 ** 20

const UNRESOLVED = ['ENOTFOUND', 'EAI_AGAIN']
const TLS = /^(CERT_|DEPTH_ZERO_|ERR_SSL_|ERR_TLS_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|EPROTO)/

/**
 * Checks whether the address is a deployed registry that this login may push to. Otherwise every check would fail for the same reason,
 * with advice that does not help.
 * @param user the name of the login, if there is one
 * @throws {Cause} the first obstacle
 */
export async function expectReady(client: Client, path: string, user: string | undefined): Promise<void> {
  const first = await reach(client)
  if (first.status === 403)
    throw new Cause(`${client.origin} is the API itself: use the stack's output Registry`)
  if (first.status >= 500)
    throw new Cause(`${client.origin} answers ${first.status}: look into the log groups of the API`)
  const isRegistry = first.headers['docker-distribution-api-version'] === 'registry/2.0'
  if (!isRegistry || ![200, 401].includes(first.status))
    throw new Cause(
      `${client.origin} is not a container registry: GET /v2/ is ${first.status}. Use the stack's output Registry`,
    )
  if (first.status === 401) await logIn(client, user)
  const session = await client.ask('POST', `${path}/blobs/uploads/`)
  if (session.status === 401 || session.status === 403)
    throw new Cause(`${user ?? 'everybody'} may not push to ${path.slice(4)}: log in as an administrator`)
}

async function reach(client: Client): Promise<Reply> {
  try {
    return await client.ask('GET', '/v2/', { anonymous: true })
  } catch (error) {
    throw new Cause(whyUnreachable(client.origin, error as NodeJS.ErrnoException))
  }
}

/** Advice for a connection that fails. */
export function whyUnreachable(origin: string, { code = '', message }: NodeJS.ErrnoException): string {
  const { hostname } = new URL(origin)
  if (UNRESOLVED.includes(code))
    return `the name ${hostname} is not known (${code}): check its spelling, and that the domain points to the stack's output EdgeHost`
  if (TLS.test(code))
    return `TLS with ${hostname} fails (${message || code}): check that the setting certificate is for this name; name a CA of your own by NODE_EXTRA_CA_CERTS`
  return `${origin} does not answer: ${message || code}`
}

async function logIn(client: Client, user: string | undefined): Promise<void> {
  if (user === undefined)
    throw new Cause(
      `${client.origin} needs a login: use --user <name>, with its password in LONGSHORE_PASSWORD`,
    )
  const { status } = await client.ask('GET', '/v2/')
  if (status === 429)
    throw new Cause(`too many logins of ${user} have failed: wait some minutes, and try again`)
  if (status !== 200)
    throw new Cause(`the login of ${user} is refused (${status}): check --user and LONGSHORE_PASSWORD`)
}

/**
 * Finds out what is deployed, from its responses.
 * @throws {Cause} when this is not a deployment on AWS
 */
export async function inspect(context: Context): Promise<Deployment> {
  return { pull: await pullMode(context), relay: await hasRelay(context) }
}

async function pullMode({ client, path, blobs }: Context): Promise<Deployment['pull']> {
  const bytes = freshBytes(100)
  const digest = digestOf(bytes)
  const pushed = await client.ask('POST', `${path}/blobs/uploads/?digest=${digest}`, { body: bytes })
  if (pushed.status === 201) blobs.push(digest)
  const { status, headers } = await client.ask('HEAD', `${path}/blobs/${digest}`)
  if (status === 200)
    throw new Cause(
      `${client.origin} serves blobs itself, so it does not run on AWS: this test is for deployments`,
    )
  // Whatever else is wrong is for the checks to say.
  return headers.location?.startsWith('/pull/') ? 'edge' : 's3'
}

/** Whether there is a relay: without one, the edge refuses a chunk that is too large for the API. */
async function hasRelay({ client, path }: Context): Promise<boolean> {
  try {
    const location = await beginUpload({ client, path })
    const { status, headers } = await client.ask('PATCH', location, { body: freshBytes(TOO_LARGE_FOR_API) })
    await client.ask('DELETE', headers.location ?? location)
    return status !== 413
  } catch {
    return false // some networks lose the refusal, because it comes while the body is still on its way
  }
}
