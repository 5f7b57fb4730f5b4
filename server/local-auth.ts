import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { type Auth, createAuth } from '../lambda/auth/auth.ts'
import { OPEN_ACCESS } from '../lambda/auth/authorizer.ts'
import { federatedLogins } from '../lambda/auth/identity/federated/federated.ts'
import { type Issuer, parseIssuers } from '../lambda/auth/identity/federated/issuers.ts'
import { CACHE_TTL_MS } from '../lambda/auth/identity/logins.ts'
import { Passwords } from '../lambda/auth/identity/passwords.ts'
import { RegistryError } from '../lambda/protocol/errors.ts'
import type { Table } from '../lambda/store/table.ts'
import { Cache } from '../lambda/util/cache.ts'
import type { Config } from './config.ts'
import { isLocalHostname } from './dns-rebinding.ts'
import { type FirstPassword, makeFirstAdministrator, sourceOf } from './first-administrator.ts'
import { PasswordThreads } from './password-threads.ts'
import { openSigningKeys } from './signing-keys.ts'
import { errorReason, StartError } from './start-error.ts'

type LocalAuthOptions = Pick<
  Config,
  'data' | 'host' | 'origin' | 'auth' | 'awsAccounts' | 'issuers' | 'stsEndpoint'
> &
  FirstPassword & {
    /** Hashes passwords. Absent: at the production cost, in worker threads. */
    readonly passwords?: Passwords
  }

/**
 * Opens the logins of a server on one machine. While there is no account and no federated login, every client on this
 * machine has full access. A server that listens on an address which other machines can reach always requires a login,
 * and does not start without one.
 * @param notice prints what the server did with the password of the first administrator
 * @returns undefined if authentication is disabled
 * @throws {StartError} if other machines can reach the server and no login is possible
 */
export async function openAuth(
  table: Table,
  options: LocalAuthOptions,
  notice: (message: string) => void = () => {},
): Promise<Auth | undefined> {
  const { data, host, auth: mode, awsAccounts = [], issuers, stsEndpoint } = options
  if (mode === 'open') {
    const source = sourceOf(options)
    if (source !== undefined) notice(`${source} is ignored, because --auth open disables authentication`)
    return undefined
  }
  const keyring = openSigningKeys(data)
  const providers = { awsAccounts, issuers: issuers ? readIssuers(issuers) : [], stsEndpoint }
  const federated = federatedLogins({ ...providers, clock: Date.now })
  const { passwords = new Passwords({ derivation: new PasswordThreads() }) } = options
  const auth = createAuth({ table, clock: Date.now, keyring: () => keyring, federated, passwords })
  await makeFirstAdministrator(auth.accounts, options, notice)
  const canLogInCache = new Cache<true>(Date.now, { ttl: CACHE_TTL_MS, maxEntries: 1 })
  // Only a positive result is cached. Without accounts each request reads a row, so that the first account takes effect
  // with the next request, whether this server or another process on the folder added it.
  const canLogIn = async () => {
    if (canLogInCache.peek('')) return true
    const isPossible = federated.length > 0 || (await auth.accounts.some())
    return isPossible && canLogInCache.refresh('', async () => true)
  }
  const ownHost = options.origin && new URL(options.origin).host
  const isReachable = !isLoopback(host)
  if (isReachable && !(await canLogIn()))
    throw new StartError(
      'usage',
      `--host ${host} lets other machines connect, but there are no accounts: add one with "npx longshore user add <name> --admin", or set LONGSHORE_ADMIN_PASSWORD, or disable authentication with --auth open`,
    )
  if (isReachable) return auth // also when the last account is removed: then no login succeeds
  return {
    ...auth,
    async authorize(request, requirement) {
      // Routes with the action `none` check credentials themselves. Health checks, which are among them, must not read
      // the table.
      if (requirement.action === 'none' || (await canLogIn())) return auth.authorize(request, requirement)
      refuseForeignHost(request.headers.host, ownHost)
      return OPEN_ACCESS
    },
  }
}

/**
 * Prevents DNS rebinding: a web page whose host name resolves to this machine could send requests through the user's
 * browser.
 * @throws {RegistryError} DENIED if the Host header is neither a local name nor the host of --origin
 */
function refuseForeignHost(host: string | undefined, ownHost: string | undefined): void {
  if (host === undefined || isLocalHostname(host) || host.toLowerCase() === ownHost) return
  const reason = `a registry without accounts accepts only requests to local host names and IP addresses, not to ${host}: add an account, or start the server with --origin http(s)://${host}`
  throw new RegistryError('DENIED', { detail: { reason } })
}

function readIssuers(path: string): Issuer[] {
  try {
    // Editors on Windows write a byte order mark.
    return parseIssuers(JSON.parse(readFileSync(path, 'utf8').replace(/^\uFEFF/, '')))
  } catch (error) {
    throw new StartError('usage', `--issuers ${path}: ${errorReason(error)}`)
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}
