import { isIP } from 'node:net'
import { type Auth, createAuth } from '../lambda/auth/auth.ts'
import { OPEN } from '../lambda/auth/authorizer.ts'
import { Cache } from '../lambda/auth/cache.ts'
import { MEMORY } from '../lambda/auth/logins.ts'
import type { Table } from '../lambda/store/table.ts'
import { openKeys } from './keys.ts'
import { StartError } from './start-error.ts'

interface LocalAuth {
  readonly table: Table
  readonly data: string
  readonly host: string
  /** `auto`: whoever has made an account wants logins. `open`: everybody may do everything. */
  readonly mode: 'auto' | 'open'
}

/**
 * Logins on one machine: there are none as long as there are no accounts, which is for those who reach the machine alone.
 * @throws {StartError} when others could reach it and nobody could log in
 */
export async function openAuth({ table, data, host, mode }: LocalAuth): Promise<Auth | undefined> {
  if (mode === 'open') return undefined
  const keyring = openKeys(data)
  const auth = createAuth({ table, clock: Date.now, keyring: () => keyring })
  if (!isLoopback(host) && !(await auth.accounts.some()))
    throw new StartError(
      'usage',
      `--host ${host} lets others in, and there are no accounts: make one with "npx longshore user add <name> --admin", or say --auth open`,
    )
  const remembered = new Cache<boolean>(Date.now, { life: MEMORY, most: 1 })
  const hasAccounts = () => remembered.get('', () => auth.accounts.some())
  return {
    ...auth,
    authorize: async (request, need) => ((await hasAccounts()) ? auth.authorize(request, need) : OPEN),
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}
