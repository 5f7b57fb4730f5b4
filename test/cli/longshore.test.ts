import { stat } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { attempt } from '../support/command.ts'
import { LocalServer } from '../support/local-server.ts'
import { Scratch } from '../support/scratch.ts'

const PASSWORD = 'correct horse'
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
let scratch: Scratch
beforeEach(() => {
  scratch = new Scratch('longshore-cli-')
})
afterEach(() => scratch.remove())

/** Runs the command on the folder of this test. */
async function longshore(words: string, input = '', env: Record<string, string> = {}) {
  const args = [
    'cli/start.js',
    ...words.split(' '),
    ...(env.LONGSHORE_REGISTRY || words.includes('--registry') ? [] : ['--data', scratch.path]),
  ]
  return attempt(process.execPath, args, { input, env: { LONGSHORE_REGISTRY: '', ...env } })
}

async function done(words: string, input = ''): Promise<string> {
  const { code, stdout, stderr } = await longshore(words, input)
  expect(stderr).toBe('')
  expect(code).toBe(0)
  return stdout
}

describe('longshore', { timeout: 60_000 }, () => {
  it('makes users, changes them, lists them and removes them', async () => {
    await done('user add ann --admin', PASSWORD)
    await done('user add bob --groups release,dev', PASSWORD)
    await done('user change bob --disable')
    const users = JSON.parse(await done('user list --json'))
    expect(users).toMatchObject([
      { name: 'ann', admin: true, disabled: false },
      { name: 'bob', admin: false, disabled: true, groups: ['release', 'dev'] },
    ])
    expect(await done('user remove bob --json')).toBe('{}\n')
    expect(await done('user list')).toContain('ann')
    expect(await done('user list')).not.toContain('bob')
  })

  it('shows the key of a robot once, and never keeps it', async () => {
    const { key } = JSON.parse(await done('robot add ci --may pull,push --on team/** --expires 720h --json'))
    expect(key).toMatch(/^lsk_[\w-]{43}$/)
    expect(await done('robot list --json')).not.toContain(key.slice(4))
    expect(JSON.parse(await done('robot renew ci --json')).key).not.toBe(key)
  })

  it('gives a robot a key that works for longer', async () => {
    const made = JSON.parse(await done('robot add ci --may pull --on team/** --expires 1s --json'))
    const renewed = JSON.parse(await done('robot renew ci --expires 720h --json'))
    expect(renewed.expires - made.expires).toBeGreaterThan(700 * 60 * 60 * 1000)
  })

  it('tells of a robot whose key has expired that it may do nothing, and gives it no key that has', async () => {
    await done('robot add ci --may pull --on ** --expires 1s')
    await new Promise(resolve => setTimeout(resolve, 1100))
    for (const words of ['policy explain robot:ci pull app', 'robot renew ci'])
      expect(await longshore(words)).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/could log in|expired/),
      })
  })

  it('makes no registry of a folder that is none', async () => {
    scratch.write('notes.txt', '')
    const { code, stderr } = await longshore('user list')
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^longshore: there is no registry in .*\n$/)])
    await expect(stat(scratch.join('registry.sqlite'))).rejects.toThrow('ENOENT')
  })

  it('says in one line that a folder cannot be used', async () => {
    scratch.write('registry.sqlite', 'no database'.repeat(100))
    const { code, stderr } = await longshore('user list')
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^longshore: cannot use the registry in .*\n$/)])
  })

  it('takes a policy and explains it', async () => {
    await done('user add ann', PASSWORD)
    const rule = { name: 'public', who: ['anonymous'], may: ['pull'], on: ['public/*'] }
    await done(`policy set ${scratch.write('policy.json', JSON.stringify({ rules: [rule] }))}`)
    expect(await done('policy explain anonymous pull public/app:v1')).toContain(
      'anonymous may pull on public/app:v1, because of the rule "public"',
    )
    expect(JSON.parse(await done('policy show'))).toMatchObject({ rules: [rule] })
    const refused = await longshore(`policy set ${scratch.write('bad.json', '{"rules":[{"name":"x"}]}')}`)
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/^longshore: rules\.0/)])
  })

  it.each([
    ['in a folder', () => []],
    ['over HTTP', (server: LocalServer) => ['--registry', server.host, '--user', 'ann']],
  ])('does not remove what is immutable %s', async (_, where) => {
    await done('user add ann --admin', PASSWORD)
    const immutable = [{ on: ['app'], tags: ['v*'] }]
    await done(`policy set ${scratch.write('policy.json', JSON.stringify({ rules: [], immutable }))}`)
    await using server = await LocalServer.start({ data: scratch.path })
    const authorization = `Basic ${btoa(`ann:${PASSWORD}`)}`
    await fetch(`${server.url}/v2/app/manifests/v1`, {
      method: 'PUT',
      body: JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }),
      headers: { authorization, 'content-type': OCI_INDEX },
    })
    const refused = {
      code: 1,
      stderr: 'longshore: not allowed: delete on app:v1: the tag v1 is immutable\n',
    }
    for (const words of ['tag remove app:v1', 'repo remove app'])
      expect(
        await longshore([words, ...where(server)].join(' '), '', { LONGSHORE_PASSWORD: PASSWORD }),
      ).toMatchObject(refused)
    expect(await done('tag list app')).toBe('v1\n')
  })

  it('imports the users of an htpasswd file', async () => {
    await done('user list')
    const hash = '$2y$05$9Bfp.jJNnpCNrTBz2QpcPelXNj6.Wf.2Qd1rC9sM9N0jV0oI9Ckm.'
    const file = scratch.write('htpasswd', `# users\nann:${hash}\n\nold:$apr1$abc$def\nbob:${hash}\n`)
    expect(await longshore(`user import ${file}`)).toMatchObject({
      code: 1,
      stderr: 'longshore: made 2 users, but not old: hash: is no bcrypt hash of cost 4 to 14\n',
    })
    expect(JSON.parse(await done('user list --json'))).toHaveLength(2)
    expect((await longshore(`user import ${file}`)).stderr).toMatch(
      /made 0 users, but not ann: the name is taken/,
    )
  })

  it('lists the commands of a noun, and says how one is used', async () => {
    const nouns = await longshore('robot --help')
    expect([nouns.code, nouns.stdout]).toEqual([0, expect.stringMatching(/robot list.*robot renew/s)])
    expect(nouns.stdout).not.toContain('user add')
    expect((await longshore('robot add --help')).stdout).toMatch(/^Usage: longshore robot add <name>/)
    expect((await longshore('robot')).code).toBe(2)
  })

  it.each([
    ['fly away', 2, /there is no command fly away/],
    ['user add', 2, /name is missing/],
    ['user list --unknown', 2, /Unknown option/],
    ['user list --admin', 2, /user list has no --admin: longshore user list/],
    ['robot add ci --no-admin', 2, /robot add has no --no-admin/],
    ['user remove nobody', 1, /^longshore: not found: user nobody$/],
    ['robot add ci --may fly --on x', 1, /is none of pull/],
    ['policy set missing.json', 1, /cannot read/],
    ['user remove ann bob', 2, /^longshore: "bob" is too much: longshore user remove <name>$/],
    ['tag remove app v1', 2, /"v1" is too much/],
    ['repo list app', 2, /"app" is too much/],
    ['user change ann', 2, /what is to be changed is missing/],
    ['robot add ci --may pull,fly --on x', 1, /grants\.0\.may\.1: is none of pull/],
    ['robot add ci --may pull --on x --expires 0s', 1, /would have expired already/],
    ['policy explain bob pull app', 1, /"bob" is none of anonymous, user:…/],
    ['policy explain user:nobody pull app', 1, /user:nobody is nobody who could log in/],
    ['policy explain anonymous pull localhost:5000/app:v1', 1, /invalid tag/],
    ['policy explain anonymous pull App', 1, /invalid repository name/],
  ])('%j ends with %i and says why', async (words, code, message) => {
    const result = await longshore(words)
    expect([result.code, result.stderr.trim()]).toEqual([code, expect.stringMatching(message)])
  })

  it('administers a server that runs, by a login, and sees no more than that may', async () => {
    await done('user add ann --admin', PASSWORD)
    await done('user add bob', PASSWORD)
    await using server = await LocalServer.start({ data: scratch.path })
    const as = (user: string, words: string, password = PASSWORD) =>
      longshore(words, '', {
        LONGSHORE_REGISTRY: `http://${server.host}`,
        LONGSHORE_USER: user,
        LONGSHORE_PASSWORD: password,
      })

    expect((await as('ann', 'user list --json')).stdout).toContain('bob')
    expect((await as('bob', 'whoami')).stdout).toContain('user:bob')
    expect(await as('bob', 'user list')).toMatchObject({
      code: 1,
      stderr: 'longshore: not allowed: only administrators may do this\n',
    })
    expect(await as('ann', 'user list', 'wrong password')).toMatchObject({ code: 1 })
    expect((await as('ann', 'repo list')).stdout.trim()).toBe('none')
  })

  it.each([
    ['in a folder', () => []],
    ['over HTTP', (server: LocalServer) => ['--registry', server.host]],
  ])('lists and removes tags and repositories %s', async (_, where) => {
    await using server = await LocalServer.start({ data: scratch.path })
    const index = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] })
    const headers = { 'content-type': OCI_INDEX }
    for (const name of ['app/v1', 'app/v2', 'other/v1'])
      await fetch(`${server.url}/v2/${name.replace('/', '/manifests/')}`, {
        method: 'PUT',
        body: index,
        headers,
      })

    const command = (words: string) => done([words, ...where(server)].join(' '))
    expect(await command('repo list')).toBe('app\nother\n')
    expect(await command('tag list app')).toBe('v1\nv2\n')
    await command('tag remove app:v1')
    expect(await command('tag list app')).toBe('v2\n')
    expect(JSON.parse(await command('repo remove app --json'))).toEqual({ repository: 'app', removed: 1 })
    expect(await command('repo list')).toBe('other\n')
    expect(await longshore('repo remove app')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('repository app does not exist'),
    })
  })
})

describe('the server', { timeout: 60_000 }, () => {
  const start = (...args: string[]) =>
    attempt(process.execPath, ['server/start.js', '--port', '0', '--data', scratch.path, ...args], {
      timeoutMs: 15_000,
    })

  it('does not let others in while nobody can log in', async () => {
    const { code, stderr } = await start('--host', '0.0.0.0')
    expect([code, stderr]).toEqual([
      64,
      expect.stringMatching(/^longshore: --host 0\.0\.0\.0 lets others in.*user add.*--auth open\n$/),
    ])
  })

  it('keeps its keys where nobody else reads them', async () => {
    await using server = await LocalServer.start({ data: scratch.path })
    expect(server.host).toBeTruthy()
    const { stdout } = await attempt('stat', ['-c', '%a', scratch.join('keys.json')])
    expect(stdout.trim()).toBe('600')
  })

  it('wants logins within a minute after the first account was made, and at once when it starts with one', async () => {
    await done('user add ann --admin', PASSWORD)
    await using server = await LocalServer.start({ data: scratch.path })
    const { status, headers } = await fetch(`http://${server.host}/v2/`)
    expect([status, headers.get('www-authenticate')]).toEqual([
      401,
      `Bearer realm="http://${server.host}/token",service="${server.host}"`,
    ])
  })
})
