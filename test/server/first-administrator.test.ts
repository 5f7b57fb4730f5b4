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

/** Opens the logins of a server that other machines can reach. Returns the messages for the log too. */
async function start(table: MemoryTable, password: FirstPassword, auth: 'auto' | 'open' = 'auto') {
  const messages: string[] = []
  const options = { data: scratch.path, host: '0.0.0.0', auth, passwords: cheapPasswords, ...password }
  const opened = await openAuth(table, options, message => messages.push(message))
  return { auth: opened, messages }
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
  const authorized = auth?.authorize(
    { ...request, headers, remote: '192.0.2.1' },
    { action: 'admin', params: {} },
  )
  return authorized?.then(
    () => true,
    () => false,
  ) as Promise<boolean>
}

describe('the first administrator', () => {
  it('is created with the password of the environment, and the server accepts other machines at once', async () => {
    const table = new MemoryTable()
    const { auth, messages } = await start(table, { adminPassword: PASSWORD })
    expect(auth).toBeDefined()
    expect(messages).toEqual([expect.stringContaining('created the administrator admin')])
    expect(await logsIn(table, PASSWORD)).toBe(true)
  })

  it.each(['', '\n', '\r\n'])('is created with the password of a file that ends with %j', async ending => {
    const table = new MemoryTable()
    await start(table, { adminPasswordFile: fileOf(PASSWORD + ending) })
    expect(await logsIn(table, PASSWORD)).toBe(true)
  })

  it('is not created again, and keeps a changed password', async () => {
    const table = new MemoryTable()
    await start(table, { adminPassword: PASSWORD })
    await new Accounts({ table, clock: Date.now, passwords: cheapPasswords }).changeUser('admin', {
      password: 'another horse',
    })
    const { messages } = await start(table, { adminPassword: PASSWORD })
    expect(messages).toEqual(['LONGSHORE_ADMIN_PASSWORD is ignored, because there are accounts'])
    expect([await logsIn(table, PASSWORD), await logsIn(table, 'another horse')]).toEqual([false, true])
  })

  it('is not created when there is another account, even a robot', async () => {
    const table = new MemoryTable()
    const accounts = new Accounts({ table, clock: Date.now, passwords: cheapPasswords })
    await accounts.addRobot('ci', { grants: [{ may: ['pull'], on: ['**'] }] })
    await start(table, { adminPassword: PASSWORD })
    expect(await accounts.list('user')).toEqual([])
  })

  it('does not need its file at later starts', async () => {
    const table = new MemoryTable()
    await start(table, { adminPassword: PASSWORD })
    const { messages } = await start(table, { adminPasswordFile: '/no/such/file' })
    expect(messages).toEqual(['--admin-password-file is ignored, because there are accounts'])
  })

  it('is not created when logins are turned off', async () => {
    const table = new MemoryTable()
    const { messages } = await start(table, { adminPassword: PASSWORD }, 'open')
    expect(messages).toEqual([expect.stringContaining('--auth open')])
    expect(await new Accounts({ table, clock: Date.now }).some()).toBe(false)
  })
})

describe('an invalid password of the first administrator', () => {
  it.each([
    ['a short one', () => ({ adminPassword: 'short-1' }), 'LONGSHORE_ADMIN_PASSWORD: '],
    ['an empty file', () => ({ adminPasswordFile: fileOf('\n') }), '--admin-password-file: '],
    ['a missing file', () => ({ adminPasswordFile: '/no/such/file' }), '--admin-password-file: ENOENT'],
  ])('%s is reported without the password', async (_, password, message) => {
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

  it('is refused when it is set twice', () => {
    const both = { LONGSHORE_ADMIN_PASSWORD: PASSWORD, LONGSHORE_ADMIN_PASSWORD_FILE: '/file' }
    expect(() => readCommand([], both)).toThrow('not both')
  })

  it('has no flag, which other users of the machine could read', () => {
    expect(() => readCommand(['--admin-password', PASSWORD], {})).toThrow("Unknown option '--admin-password'")
  })
})
