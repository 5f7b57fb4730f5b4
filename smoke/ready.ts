import type { Client, Reply } from './client.ts'

/** The reason why no check can run. The message says what to do. */
export class NotReady extends Error {
  override readonly name = 'NotReady'
}

const UNRESOLVED = ['ENOTFOUND', 'EAI_AGAIN']
const TLS = /^(CERT_|DEPTH_ZERO_|ERR_SSL_|ERR_TLS_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|EPROTO)/

/**
 * Checks that the address is a deployed registry to which the login may push. Otherwise every check would fail for the
 * same reason, with advice that does not help.
 * @param path of the repository that the checks use, beginning with `/v2/`
 * @param user the name of the login, if there is one
 * @throws {NotReady} for the first obstacle
 */
export async function expectReady(client: Client, path: string, user: string | undefined): Promise<void> {
  const first = await reach(client)
  const isRegistry = first.headers['docker-distribution-api-version'] === 'registry/2.0'
  if (first.status === 403 && isRegistry)
    throw new NotReady(`${client.origin} is the address of the API: use the stack's output Registry`)
  if (first.status === 403 && first.headers.server === 'CloudFront')
    throw new NotReady(
      `CloudFront refuses requests to ${client.origin} (403): use https://, check that the setting domain is this name, and that the web ACL (setting webAcl) allows your address`,
    )
  if (first.status >= 500)
    throw new NotReady(`${client.origin} responds with ${first.status}: look into the log groups of the API`)
  if (!isRegistry || ![200, 401].includes(first.status))
    throw new NotReady(
      `${client.origin} is not a container registry (GET /v2/: ${first.status}): use the stack's output Registry`,
    )
  expectSameOrigin(client, /realm="([^"]*)"/.exec(first.headers['www-authenticate'] ?? '')?.[1])
  // With a user, also where anonymous requests are allowed: the checks send the login with every request.
  if (first.status === 401 || user !== undefined) await logIn(client, user)
  const { status, headers } = await client.request('POST', `${path}/blobs/uploads/`)
  if (status === 401 && user === undefined) throw loginMissing(client)
  if (status === 401 || status === 403)
    throw new NotReady(
      `${user ?? 'an anonymous client'} may not push to ${path.slice('/v2/'.length)}: log in as an administrator`,
    )
  expectSameOrigin(client, headers.location)
}

/** @param url in a response: the address that the registry takes for its own */
function expectSameOrigin(client: Client, url = ''): void {
  if (!URL.canParse(url) || new URL(url).origin === client.origin) return
  throw new NotReady(
    `the registry sends clients of ${client.origin} to ${new URL(url).origin}: run the smoke test with that address, or correct the setting domain`,
  )
}

async function reach(client: Client): Promise<Reply> {
  try {
    return await client.request('GET', '/v2/', { anonymous: true })
  } catch (error) {
    throw new NotReady(whyUnreachable(client.origin, error as NodeJS.ErrnoException))
  }
}

/** Describes why a connection failed, and what to do. */
export function whyUnreachable(origin: string, { code = '', message }: NodeJS.ErrnoException): string {
  const { hostname } = new URL(origin)
  if (UNRESOLVED.includes(code))
    return `the name ${hostname} cannot be resolved (${code}): check its spelling, and that the domain points to the stack's output EdgeHost`
  if (TLS.test(code))
    return `TLS with ${hostname} fails (${message || code}): check that the certificate (setting certificate) is for this name; if your own CA issued it, set NODE_EXTRA_CA_CERTS`
  return `${origin} does not respond: ${message || code}`
}

async function logIn(client: Client, user: string | undefined): Promise<void> {
  if (user === undefined) throw loginMissing(client)
  const { status } = await client.request('GET', '/v2/')
  if (status === 429)
    throw new NotReady(`too many failed logins of ${user}: wait a few minutes and try again`)
  if (status !== 200)
    throw new NotReady(`the login of ${user} is refused (${status}): check --user and LONGSHORE_PASSWORD`)
}

function loginMissing({ origin }: Client): NotReady {
  return new NotReady(
    `${origin} requires a login: use --user <name>, with the password in LONGSHORE_PASSWORD`,
  )
}
