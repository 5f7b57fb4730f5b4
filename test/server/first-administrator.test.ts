import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Accounts } from '../../lambda/auth/identity/accounts.ts'
import { readCommand } from '../../server/config.ts'
import type { FirstPassword } from '../../server/first-administrator.ts'
import { openAuth } from '../../server/local-auth.ts'
import { basic } from '../support/auth.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { cheapPasswords } from '../support/passwords.ts'
import { TempDir } from '../support/temp-dir.ts'

const PASSWORD = 'correct horse battery'
let scratch: TempDir
beforeEach(() => {
  scratch = new TempDir('longshore-first-')
})
afterEach(() => scratch.remove())

/** Starts on a table for others to reach, and returns what the log was told. */
async function start(table: MemoryTable, password: FirstPassword, auth: 'auto' | 'open' = 'auto') {
  const told: string[] = []
  const options = { data: scratch.path, host: '0.0.0.0', auth, passwords: cheapPasswords, ...password }
  const opened = await openAuth(table, options, message => told.push(message))
  return { auth: opened, told }
}

function fileOf(content: string): string {
  const path = join(scratch.path, 'password')
  writeFileSync(path, content)
  return path
}

async function logsIn(table: MemoryTable, password: string): Promise<boolean> {
  const { auth } = await start(table, {})
  const request = { method: 'GET', path: '/api/users', query: new URLSearchParams(), body: [] as never }
  const headers = basic('admin', password)
  const asked = auth?.authorize({ ...request, headers, remote: '192.0.2.1' }, { action: 'admin', params: {} })
  return asked?.then(
    () => true,
    () => false,
  ) as Promise<boolean>
}

describe('the first administrator', () => {
  it('is made with the password of the environment, and lets others reach the server at once', async () => {
    const table = new MemoryTable()
    const { auth, told } = await start(table, { adminPassword: PASSWORD })
    expect(auth).toBeDefined()
    expect(told).toEqual([expect.stringContaining('made the administrator admin')])
    expect(await logsIn(table, PASSWORD)).toBe(true)
  })

  it.each(['', '\n', '\r\n'])('is made with the password of a file that ends with %j', async ending => {
    const table = new MemoryTable()
    await start(table, { adminPasswordFile: fileOf(PASSWORD + ending) })
    expect(await logsIn(table, PASSWORD)).toBe(true)
  })

  it('is not made again, and keeps a password that was changed', async () => {
    const table = new MemoryTable()
    await start(table, { adminPassword: PASSWORD })
    await new Accounts({ table, clock: Date.now, passwords: cheapPasswords }).changeUser('admin', {
      password: 'another horse',
    })
    const { told } = await start(table, { adminPassword: PASSWORD })
    expect(told).toEqual(['LONGSHORE_ADMIN_PASSWORD is ignored, because there are accounts'])
    expect([await logsIn(table, PASSWORD), await logsIn(table, 'another horse')]).toEqual([false, true])
  })

  it('is not made beside another account, not even beside a robot', async () => {
    const table = new MemoryTable()
    const accounts = new Accounts({ table, clock: Date.now, passwords: cheapPasswords })
    await accounts.addRobot('ci', { grants: [{ may: ['pull'], on: ['**'] }] })
    await start(table, { adminPassword: PASSWORD })
    expect(await accounts.list('user')).toEqual([])
  })

  it('needs its file only once', async () => {
    const table = new MemoryTable()
    await start(table, { adminPassword: PASSWORD })
    const { told } = await start(table, { adminPasswordFile: '/no/such/file' })
    expect(told).toEqual(['--admin-password-file is ignored, because there are accounts'])
  })

  it('is not made where everybody is let in', async () => {
    const table = new MemoryTable()
    const { told } = await start(table, { adminPassword: PASSWORD }, 'open')
    expect(told).toEqual([expect.stringContaining('--auth open')])
    expect(await new Accounts({ table, clock: Date.now, passwords: cheapPasswords }).some()).toBe(false)
  })
})

describe('a password that cannot be used', () => {
  it.each([
    ['a short one', () => ({ adminPassword: 'short-1' }), 'LONGSHORE_ADMIN_PASSWORD: '],
    ['an empty file', () => ({ adminPasswordFile: fileOf('\n') }), '--admin-password-file: '],
    ['a missing file', () => ({ adminPasswordFile: '/no/such/file' }), '--admin-password-file: ENOENT'],
  ])('%s is told without the password', async (_, password, message) => {
    const starting = start(new MemoryTable(), password())
    await expect(starting).rejects.toThrow(
      expect.objectContaining({
        name: 'StartError',
        exitCode: 64,
        message: expect.stringContaining(message),
      }),
    )
    await expect(starting).rejects.not.toThrow('short-1')
  })

  it('twice is refused', () => {
    const both = { LONGSHORE_ADMIN_PASSWORD: PASSWORD, LONGSHORE_ADMIN_PASSWORD_FILE: '/file' }
    expect(() => readCommand([], both)).toThrow('not both')
  })

  it('has no flag, which others could read', () => {
    expect(() => readCommand(['--admin-password', PASSWORD], {})).toThrow("Unknown option '--admin-password'")
  })
})
