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

const REQUEST = { method: 'GET', path: '/v2/', query: new URLSearchParams(), headers: {}, body: [] as never }
let scratch: TempDir
beforeEach(() => {
  scratch = new TempDir('longshore-auth-')
  vi.useFakeTimers({ toFake: ['Date'] })
})
afterEach(() => {
  vi.useRealTimers()
  scratch.remove()
})

/** Whether a request without a login is accepted a minute after the last account was removed. */
async function isOpenWithoutAccounts(host: string): Promise<boolean> {
  const table = new MemoryTable()
  const accounts = new Accounts({ table, clock: Date.now, passwords: cheapPasswords })
  await accounts.addUser('ann', { password: 'correct horse' })
  const auth = await openAuth(table, { data: scratch.path, host, auth: 'auto' })
  const isAccepted = async () =>
    auth?.authorize(REQUEST, { action: 'ping', params: {} }).then(
      () => true,
      () => false,
    )
  expect(await isAccepted()).toBe(false)
  await accounts.remove('ann', 'user')
  vi.setSystemTime(Date.now() + CACHE_TTL_MS + 1)
  return (await isAccepted()) ?? true
}

describe('a server without accounts', () => {
  const responseAt = async (host: string | undefined, options: Partial<Config> = {}) => {
    const settings = { data: scratch.path, host: '127.0.0.1', auth: 'auto', ...options } as const
    const auth = await openAuth(new MemoryTable(), settings)
    const request = { ...REQUEST, headers: host === undefined ? {} : { host } }
    return auth?.authorize(request, { action: 'ping', params: {} }).catch(error => error.code)
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
  ])('gives full access to a request for the host %s', async host => {
    expect(await responseAt(host)).toBe(OPEN_ACCESS)
  })

  it.each(['evil.com:5000', 'evil.com.', 'localhost.evil.com', '127.0.0.1.evil.com', '1.2.3.4.5'])(
    'denies a request for the host %s, which a web page may have rebound to it',
    async host => expect(await responseAt(host)).toBe('DENIED'),
  )

  it('accepts a health check for any host', async () => {
    const auth = await openAuth(new MemoryTable(), { data: scratch.path, host: '127.0.0.1', auth: 'auto' })
    const probe = { ...REQUEST, path: '/healthz', headers: { host: 'probe.acme.com' } }
    await expect(auth?.authorize(probe, { action: 'none', params: {} })).resolves.toBeDefined()
  })

  it('gives full access to a request for the host of --origin', async () => {
    const origin = 'https://registry.acme.com'
    expect(await responseAt('registry.acme.com', { origin })).toBe(OPEN_ACCESS)
    expect(await responseAt('Registry.Acme.com', { origin })).toBe(OPEN_ACCESS)
    expect(await responseAt('registry.acme.com.evil.com', { origin })).toBe('DENIED')
  })

  it('has no logins with --auth open', async () => {
    const settings = { data: scratch.path, host: '127.0.0.1', auth: 'open' } as const
    expect(await openAuth(new MemoryTable(), settings)).toBeUndefined()
  })
})

describe('the first account', () => {
  const open = async (table: Table) => {
    const auth = await openAuth(table, { data: scratch.path, host: '127.0.0.1', auth: 'auto' })
    return () =>
      auth?.authorize(REQUEST, { action: 'ping', params: {} }).then(
        () => 'open',
        error => error.code,
      )
  }
  const addAnn = (table: Table) =>
    new Accounts({ table, clock: Date.now, passwords: cheapPasswords }).addUser('ann', {
      password: 'correct horse',
    })

  it('takes effect with the next request', async () => {
    const table = new MemoryTable()
    const respond = await open(table)
    expect(await respond()).toBe('open')
    await addAnn(table)
    expect(await respond()).toBe('UNAUTHORIZED')
  })

  it('takes effect with the next request if another process adds it', async () => {
    const file = join(scratch.path, 'registry.sqlite')
    const [ours, theirs] = [new SqliteTable(file), new SqliteTable(file)]
    const respond = await open(ours)
    expect(await respond()).toBe('open')
    await addAnn(theirs)
    expect(await respond()).toBe('UNAUTHORIZED')
    await Promise.all([ours.close(), theirs.close()])
  })

  it('is looked for once and then cached', async () => {
    const table = new MemoryTable()
    const respond = await open(table)
    await addAnn(table)
    await respond()
    const query = vi.spyOn(table, 'query')
    for (let i = 0; i < 3; i++) await respond()
    expect(query).not.toHaveBeenCalled()
  })
})

describe('a server whose last account is removed', () => {
  it('gives full access again on a loopback address', async () => {
    expect(await isOpenWithoutAccounts('127.0.0.1')).toBe(true)
  })

  it('still requires a login on an address that other machines can reach', async () => {
    expect(await isOpenWithoutAccounts('0.0.0.0')).toBe(false)
  })
})

describe('the start of a server without accounts', () => {
  const open = (host: string) => openAuth(new MemoryTable(), { data: scratch.path, host, auth: 'auto' })

  it.each(['localhost', '127.0.0.1', '127.1.2.3', '::1'])('succeeds with --host %s', async host => {
    expect(await open(host)).toBeDefined()
  })

  it.each(['0.0.0.0', '::', '192.0.2.1', '127.evil.example', 'localhost.evil.example', '::2'])(
    'fails with --host %s',
    async host => {
      await expect(open(host)).rejects.toThrow('there are no accounts')
    },
  )
})

it('the file of the signing keys is readable only by its owner', async () => {
  await openAuth(new MemoryTable(), { data: scratch.path, host: '127.0.0.1', auth: 'auto' })
  expect(statSync(join(scratch.path, 'keys.json')).mode & 0o777).toBe(0o600)
})

describe('a file with a byte order mark and CRLF, as editors on Windows write it', () => {
  const open = (issuers?: string) =>
    openAuth(new MemoryTable(), {
      data: scratch.path,
      host: '127.0.0.1',
      auth: 'auto',
      ...(issuers !== undefined && { issuers, origin: 'https://registry.example' }),
    })

  it('can contain the issuers', async () => {
    const issuers = [{ name: 'ci', issuer: 'https://issuer.example', claims: { sub: 'a' } }]
    const text = JSON.stringify(issuers, null, 2).replaceAll('\n', '\r\n')
    const auth = await open(scratch.write('issuers.json', `\uFEFF${text}`))
    expect(auth).toBeDefined()
  })

  it('can contain the signing keys', async () => {
    scratch.write('keys.json', `\uFEFF${JSON.stringify({ tokenKeys: [newKey()] })}\r\n`)
    expect(await open()).toBeDefined()
  })
})
