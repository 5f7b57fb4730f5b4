import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Accounts } from '../../lambda/auth/accounts.ts'
import { MEMORY } from '../../lambda/auth/logins.ts'
import { openAuth } from '../../server/local-auth.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { Scratch } from '../support/scratch.ts'

const QUESTION = { method: 'GET', path: '/v2/', query: new URLSearchParams(), headers: {}, body: [] as never }
let scratch: Scratch
beforeEach(() => {
  scratch = new Scratch('longshore-auth-')
  vi.useFakeTimers({ toFake: ['Date'] })
})
afterEach(() => {
  vi.useRealTimers()
  scratch.remove()
})

/** Whether somebody without a login is let in, a minute after the last account has gone. */
async function isOpenWithoutAccounts(host: string): Promise<boolean> {
  const table = new MemoryTable()
  const accounts = new Accounts({ table, clock: Date.now })
  await accounts.addUser('ann', { password: 'correct horse' })
  const auth = await openAuth(table, { data: scratch.path, host, auth: 'auto' })
  const ask = async () =>
    auth?.authorize(QUESTION, { action: 'ping', params: {} }).then(
      () => true,
      () => false,
    )
  expect(await ask()).toBe(false)
  await accounts.remove('ann', 'user')
  vi.setSystemTime(Date.now() + MEMORY + 1)
  return (await ask()) ?? true
}

describe('a server whose last account is removed', () => {
  it('is open again to its own machine', async () => {
    expect(await isOpenWithoutAccounts('127.0.0.1')).toBe(true)
  })

  it('stays closed where others reach it', async () => {
    expect(await isOpenWithoutAccounts('0.0.0.0')).toBe(false)
  })
})
