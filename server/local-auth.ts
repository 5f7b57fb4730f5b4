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

type LocalAuth = Pick<
  Config,
  'data' | 'host' | 'origin' | 'auth' | 'awsAccounts' | 'issuers' | 'stsEndpoint'
> &
  FirstPassword & {
    /** Derives keys from passwords. Default: in threads of their own, at the cost of production. */
    readonly passwords?: Passwords
  }

/**
 * Logins on one machine. As long as nobody could log in, by an account or otherwise, there are none, and whoever is on this machine
 * may do everything.
 * @param tell is told what becomes of the password of the first administrator
 * @throws {StartError} when others could reach it and nobody could log in
 */
export async function openAuth(
  table: Table,
  options: LocalAuth,
  tell: (message: string) => void = () => {},
): Promise<Auth | undefined> {
  const { data, host, auth: mode, awsAccounts = [], issuers, stsEndpoint } = options
  if (mode === 'open') {
    const source = sourceOf(options)
    if (source !== undefined) tell(`${source} is ignored, because --auth open lets everybody in`)
    return undefined
  }
  const keyring = openSigningKeys(data)
  const believed = { awsAccounts, issuers: issuers ? readIssuers(issuers) : [], stsEndpoint }
  const federated = federatedLogins({ ...believed, clock: Date.now })
  const { passwords = new Passwords({ derivation: new PasswordThreads() }) } = options
  const auth = createAuth({ table, clock: Date.now, keyring: () => keyring, federated, passwords })
  await makeFirstAdministrator(auth.accounts, options, tell)
  const remembered = new Cache<true>(Date.now, { ttl: CACHE_TTL_MS, maxEntries: 1 })
  // Only that somebody can is remembered. While nobody can, each request reads a row: the first account, made through this server
  // or by another process on its folder, is in force with the next request.
  const canLogIn = async () => {
    if (remembered.peek('')) return true
    const somebody = federated.length > 0 || (await auth.accounts.some())
    return somebody && remembered.refresh('', async () => true)
  }
  const ownHost = options.origin && new URL(options.origin).host
  const reachable = !isLoopback(host)
  if (reachable && !(await canLogIn()))
    throw new StartError(
      'usage',
      `--host ${host} lets others in, and there are no accounts: make one with "npx longshore user add <name> --admin" or LONGSHORE_ADMIN_PASSWORD, or say --auth open`,
    )
  if (reachable) return auth // whatever becomes of the accounts: the last one that goes lets nobody in
  return {
    ...auth,
    async authorize(request, need) {
      // Health checks come under any host name, and must not read the storage. A route of `none` checks its own credentials.
      if (need.action === 'none' || (await canLogIn())) return auth.authorize(request, need)
      expectMeant(request.headers.host, ownHost)
      return OPEN_ACCESS
    },
  }
}

/** @throws {RegistryError} DENIED where a page of the internet could be asking by its own name */
function expectMeant(host: string | undefined, ownHost: string | undefined): void {
  if (host === undefined || isLocalHostname(host) || host.toLowerCase() === ownHost) return
  const reason = `nobody logs in here, and ${host} may be anybody's name: say --origin http(s)://${host} if it is this server's`
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
