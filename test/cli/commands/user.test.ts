import { existsSync, statSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SqliteTable } from '../../../lambda/store/sqlite/table.ts'
import { databaseIn } from '../../../server/data-folder.ts'
import { openAuth } from '../../../server/local-auth.ts'
import { longshore as longshoreAt, succeed as succeedAt } from '../../support/cli.ts'
import { FolderServer } from '../../support/folder-server.ts'
import { TempDir } from '../../support/temp-dir.ts'

const PASSWORD = 'correct horse'
let scratch: TempDir
beforeEach(() => {
  scratch = new TempDir('longshore-cli-')
})
afterEach(() => scratch.remove())

const longshore = (words: string, input = '') => longshoreAt(words, { input, cwd: scratch.path })
const succeed = (words: string, input = '') => succeedAt(words, { input, cwd: scratch.path })

describe('user', () => {
  it('adds, changes, lists and removes users', async () => {
    await succeed('user add ann --admin', PASSWORD)
    await succeed('user add bob --groups release,dev', PASSWORD)
    await succeed('user change bob --disable')
    expect(JSON.parse(await succeed('user list --json'))).toMatchObject([
      { name: 'ann', admin: true, disabled: false },
      { name: 'bob', admin: false, disabled: true, groups: ['release', 'dev'] },
    ])
    expect(await succeed('user remove bob --json')).toBe('{}\n')
    expect(await succeed('user list')).not.toContain('bob')
  })

  it.each([
    ['--admin', { admin: true }],
    ['--no-admin', { admin: false }],
    ['--enable', { disabled: false }],
    ['--groups a,b', { groups: ['a', 'b'] }],
  ])('change %s changes only that field', async (flags, change) => {
    await succeed('user add ann --admin --groups x', PASSWORD)
    await succeed('user change ann --disable')
    const before = { name: 'ann', admin: true, disabled: true, groups: ['x'] }
    expect(JSON.parse(await succeed(`user change ann ${flags} --json`))).toMatchObject({
      ...before,
      ...change,
    })
  })

  it('remove fails with exit code 1 if the user does not exist', async () => {
    await succeed('user add ann', PASSWORD)
    expect(await longshore('user remove nobody')).toMatchObject({
      code: 1,
      stderr: 'longshore: not found: user nobody\n',
    })
  })

  it.each(['\n', '\r\n'])('logs in with the password that was set by a line that ends with %j', async end => {
    await succeed('user add ann', `first password${end}`)
    await succeed('user password ann', `${PASSWORD}${end}`)
    await using server = await FolderServer.start(scratch.join('data'))
    const env = { LONGSHORE_USER: 'ann', LONGSHORE_PASSWORD: PASSWORD, LONGSHORE_REGISTRY: server.host }
    expect(await succeedAt('whoami', { env })).toContain('user:ann')
  })

  it('is added with a password that is typed twice', async () => {
    const typed = [`${PASSWORD}\r`, `${PASSWORD}\r`]
    const { code, stderr } = await longshoreAt('user add ann', { typed, cwd: scratch.path })
    expect({ code, stderr }).toEqual({ code: 0, stderr: 'New password: \nRepeat the password: \n' })
  })

  it('is not added if the two passwords differ', async () => {
    const typed = Array(3)
      .fill([`${PASSWORD}\r`, 'corect horse\r'])
      .flat()
    expect(await longshoreAt('user add ann', { typed, cwd: scratch.path })).toMatchObject({ code: 2 })
    expect(existsSync(scratch.join('data'))).toBe(false)
  })
})

describe('user import', () => {
  const HASH = '$2y$05$9Bfp.jJNnpCNrTBz2QpcPelXNj6.Wf.2Qd1rC9sM9N0jV0oI9Ckm.'

  it.each([
    ['\n', ''],
    ['\r\n', '\uFEFF'],
  ])('adds the users of an htpasswd file with the line ends %j', async (end, mark) => {
    const lines = ['# users', `ann:${HASH}`, '', `bob:${HASH}`, '']
    scratch.write('htpasswd', mark + lines.join(end))
    await succeed('user import htpasswd')
    expect(JSON.parse(await succeed('user list --json'))).toMatchObject([{ name: 'ann' }, { name: 'bob' }])
  })

  it('names the lines that it cannot import, and imports the others', async () => {
    scratch.write('htpasswd', `ann:${HASH}\nold:$apr1$abc$def\nbob:${HASH}\n`)
    const { code, stderr } = await longshore('user import htpasswd')
    expect(code).toBe(1)
    expect(stderr).toMatch(/^longshore: imported 2 of 3 users; not imported:\n {2}line 2, old: .*bcrypt.*\n$/)
    expect(JSON.parse(await succeed('user list --json'))).toHaveLength(2)
  })
})

describe('the registry of a folder', () => {
  const isOpenToOthers = async (data: string) => {
    const table = new SqliteTable(databaseIn(data))
    try {
      return (await openAuth(table, { data, host: '0.0.0.0', auth: 'auto' })) !== undefined
    } finally {
      await table.close()
    }
  }

  it('is created by the first user, so that a server may listen for other machines', async () => {
    await succeed('user add ann --admin --data new/data', PASSWORD)
    expect(await isOpenToOthers(scratch.join('new/data'))).toBe(true)
  })

  it('is accessible only to its owner', async () => {
    await succeed('user add ann --data new', PASSWORD)
    expect(statSync(scratch.join('new')).mode & 0o777).toBe(0o700)
  })

  it.each(['robot add ci --may pull --on x', 'policy set policy.json'])('is created by "%s"', async words => {
    scratch.write('policy.json', '{"rules":[]}')
    await succeed(words)
    expect(existsSync(databaseIn(scratch.join('data')))).toBe(true)
  })

  it('is created in an empty file system', async () => {
    scratch.folder('data/lost+found')
    await succeed('user add ann', PASSWORD)
  })

  it.each(['user list', 'user remove ann', 'policy show', 'repo list'])(
    'is not created by "%s"',
    async words => {
      const { code, stderr } = await longshore(words)
      expect(code).toBe(1)
      expect(stderr).toMatch(
        /^longshore: there is no registry in .*: start the server or add a user to create one/,
      )
      expect(existsSync(scratch.join('data'))).toBe(false)
    },
  )

  it('is not created among other files', async () => {
    scratch.write('notes.txt', '')
    const { code, stderr } = await longshore('user add ann --data .', PASSWORD)
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining('the folder holds other files'),
    })
    expect(existsSync(databaseIn(scratch.path))).toBe(false)
  })

  it('is not created if the command fails before its first request', async () => {
    await longshore('user add ann', '')
    await longshore('policy set missing.json')
    expect(existsSync(scratch.join('data'))).toBe(false)
  })

  it('causes an error in one line if it cannot be used', async () => {
    scratch.write('registry.sqlite', 'no database'.repeat(100))
    expect(await longshore('user list --data .')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^longshore: cannot use the registry in [^\n]*\n$/),
    })
  })

  it('is named by LONGSHORE_DATA', async () => {
    await succeed('user add ann --data elsewhere', PASSWORD)
    const env = { LONGSHORE_DATA: 'elsewhere' }
    expect(await succeedAt('user list', { env, cwd: scratch.path })).toContain('ann')
  })
})
