import { statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { OPEN_ACCESS } from '../../lambda/auth/authorizer.ts'
import { Accounts } from '../../lambda/auth/identity/accounts.ts'
import { CACHE_TTL_MS } from '../../lambda/auth/identity/logins.ts'
import { SqliteTable } from '../../lambda/store/sqlite/table.ts'
import type { Table } from '../../lambda/store/table.ts'
import type { Config } from '../../server/config.ts'
import { openAuth } from '../../server/local-auth.ts'
import { newKey } from '../support/auth.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { cheapPasswords } from '../support/passwords.ts'
import { TempDir } from '../support/temp-dir.ts'

const QUESTION = { method: 'GET', path: '/v2/', query: new URLSearchParams(), headers: {}, body: [] as never }
let scratch: TempDir
beforeEach(() => {
  scratch = new TempDir('longshore-auth-')
  vi.useFakeTimers({ toFake: ['Date'] })
})
afterEach(() => {
  vi.useRealTimers()
  scratch.remove()
})

/** Whether somebody without a login is let in, a minute after the last account has gone. */
async function isOpenWithoutAccounts(host: string): Promise<boolean> {
  const table = new MemoryTable()
  const accounts = new Accounts({ table, clock: Date.now, passwords: cheapPasswords })
  await accounts.addUser('ann', { password: 'correct horse' })
  const auth = await openAuth(table, { data: scratch.path, host, auth: 'auto' })
  const ask = async () =>
    auth?.authorize(QUESTION, { action: 'ping', params: {} }).then(
      () => true,
      () => false,
    )
  expect(await ask()).toBe(false)
  await accounts.remove('ann', 'user')
  vi.setSystemTime(Date.now() + CACHE_TTL_MS + 1)
  return (await ask()) ?? true
}

describe('a server on which nobody logs in yet', () => {
  const asked = async (host: string | undefined, options: Partial<Config> = {}) => {
    const given = { data: scratch.path, host: '127.0.0.1', auth: 'auto', ...options } as const
    const auth = await openAuth(new MemoryTable(), given)
    const question = { ...QUESTION, headers: host === undefined ? {} : { host } }
    return auth?.authorize(question, { action: 'ping', params: {} }).catch(error => error.code)
  }

  it.each([
    'localhost:5000',
    'LOCALHOST.',
    '127.0.0.1:5000',
    '192.0.2.1',
    '[::1]:5000',
    'registry',
    'host.docker.internal:5000',
    'laptop.local',
    undefined,
  ])('answers who asks it as %s', async host => {
    expect(await asked(host)).toBe(OPEN_ACCESS)
  })

  it.each(['evil.com:5000', 'evil.com.', 'localhost.evil.com', '127.0.0.1.evil.com', '1.2.3.4.5'])(
    'does not answer a page whose name %s was made to lead here',
    async host => expect(await asked(host)).toBe('DENIED'),
  )

  it('answers a health check under any host name', async () => {
    const auth = await openAuth(new MemoryTable(), { data: scratch.path, host: '127.0.0.1', auth: 'auto' })
    const probe = { ...QUESTION, path: '/healthz', headers: { host: 'probe.acme.com' } }
    await expect(auth?.authorize(probe, { action: 'none', params: {} })).resolves.toBeDefined()
  })

  it('answers by the name that it was told it has', async () => {
    const origin = 'https://registry.acme.com'
    expect(await asked('registry.acme.com', { origin })).toBe(OPEN_ACCESS)
    expect(await asked('Registry.Acme.com', { origin })).toBe(OPEN_ACCESS)
    expect(await asked('registry.acme.com.evil.com', { origin })).toBe('DENIED')
  })

  it('answers by any name where it was told to be open', async () => {
    const given = { data: scratch.path, host: '127.0.0.1', auth: 'open' } as const
    expect(await openAuth(new MemoryTable(), given)).toBeUndefined()
  })
})

describe('the first account', () => {
  const open = async (table: Table) => {
    const auth = await openAuth(table, { data: scratch.path, host: '127.0.0.1', auth: 'auto' })
    return () =>
      auth?.authorize(QUESTION, { action: 'ping', params: {} }).then(
        () => 'open',
        error => error.code,
      )
  }
  const addAnn = (table: Table) =>
    new Accounts({ table, clock: Date.now, passwords: cheapPasswords }).addUser('ann', {
      password: 'correct horse',
    })

  it('is in force with the next request', async () => {
    const table = new MemoryTable()
    const ask = await open(table)
    expect(await ask()).toBe('open')
    await addAnn(table)
    expect(await ask()).toBe('UNAUTHORIZED')
  })

  it('is in force with the next request when another process makes it on the folder', async () => {
    const file = join(scratch.path, 'registry.sqlite')
    const [ours, theirs] = [new SqliteTable(file), new SqliteTable(file)]
    const ask = await open(ours)
    expect(await ask()).toBe('open')
    await addAnn(theirs)
    expect(await ask()).toBe('UNAUTHORIZED')
    await Promise.all([ours.close(), theirs.close()])
  })

  it('ends the reads that look for it', async () => {
    const table = new MemoryTable()
    const ask = await open(table)
    await addAnn(table)
    await ask()
    const query = vi.spyOn(table, 'query')
    for (let i = 0; i < 3; i++) await ask()
    expect(query).not.toHaveBeenCalled()
  })
})

describe('a server whose last account is removed', () => {
  it('is open again to its own machine', async () => {
    expect(await isOpenWithoutAccounts('127.0.0.1')).toBe(true)
  })

  it('stays closed where others reach it', async () => {
    expect(await isOpenWithoutAccounts('0.0.0.0')).toBe(false)
  })
})

describe('a server without accounts', () => {
  const open = (host: string) => openAuth(new MemoryTable(), { data: scratch.path, host, auth: 'auto' })

  it.each(['localhost', '127.0.0.1', '127.1.2.3', '::1'])('may listen on %s', async host => {
    expect(await open(host)).toBeDefined()
  })

  it.each(['0.0.0.0', '::', '192.0.2.1', '127.evil.example', 'localhost.evil.example', '::2'])(
    'refuses to listen on %s',
    async host => {
      await expect(open(host)).rejects.toThrow('there are no accounts')
    },
  )
})

it('keeps the keys of tokens for nobody else to read', async () => {
  await openAuth(new MemoryTable(), { data: scratch.path, host: '127.0.0.1', auth: 'auto' })
  expect(statSync(join(scratch.path, 'keys.json')).mode & 0o777).toBe(0o600)
})

describe('a file from Windows, with a byte order mark and CRLF,', () => {
  const open = (issuers?: string) =>
    openAuth(new MemoryTable(), {
      data: scratch.path,
      host: '127.0.0.1',
      auth: 'auto',
      ...(issuers !== undefined && { issuers, origin: 'https://registry.example' }),
    })

  it('lists issuers', async () => {
    const issuers = [{ name: 'ci', issuer: 'https://issuer.example', claims: { sub: 'a' } }]
    const text = JSON.stringify(issuers, null, 2).replaceAll('\n', '\r\n')
    const auth = await open(scratch.write('issuers.json', `\uFEFF${text}`))
    expect(auth).toBeDefined()
  })

  it('holds the keys of tokens', async () => {
    scratch.write('keys.json', `\uFEFF${JSON.stringify({ tokenKeys: [newKey()] })}\r\n`)
    expect(await open()).toBeDefined()
  })
})
