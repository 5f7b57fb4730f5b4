import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { basic } from '../../support/auth.ts'
import { type CliOptions, longshore, succeed } from '../../support/cli.ts'
import { FolderServer } from '../../support/folder-server.ts'
import { ScriptedRegistry } from '../../support/scripted-registry.ts'
import { TempDir } from '../../support/temp-dir.ts'

const PASSWORD = 'correct horse'
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
let scratch: TempDir
beforeEach(() => {
  scratch = new TempDir('longshore-cli-')
})
afterEach(() => scratch.remove())

async function push(server: FolderServer, repository: string, tag: string, headers = {}): Promise<void> {
  const response = await fetch(`${server.url}/v2/${repository}/manifests/${tag}`, {
    method: 'PUT',
    body: JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }),
    headers: { 'content-type': OCI_INDEX, ...headers },
  })
  expect(response.status).toBe(201)
}

const IN_FOLDER = ['in a folder', (): CliOptions => ({ env: { LONGSHORE_DATA: scratch.path } })] as const
const OVER_HTTP = [
  'over HTTP',
  ({ host }: FolderServer): CliOptions => ({
    env: { LONGSHORE_REGISTRY: host, LONGSHORE_USER: 'ann', LONGSHORE_PASSWORD: PASSWORD },
  }),
] as const

describe.each([IN_FOLDER, OVER_HTTP])('repo and tag %s', (_, optionsFor) => {
  let server: FolderServer
  beforeEach(async () => {
    await succeed(`user add ann --admin --data ${scratch.path}`, { input: PASSWORD })
    server = await FolderServer.start(scratch.path)
    return () => server.stop()
  })

  it('list and remove tags and repositories', async () => {
    for (const [name = '', tag = ''] of [
      ['app', 'v1'],
      ['app', 'v2'],
      ['other', 'v1'],
    ])
      await push(server, name, tag, basic('ann', PASSWORD))
    const command = (words: string) => succeed(words, optionsFor(server))

    expect(await command('repo list')).toBe('app\nother\n')
    expect(await command('tag list app')).toBe('v1\nv2\n')
    await command('tag remove app:v1')
    expect(await command('tag list app')).toBe('v2\n')
    expect(JSON.parse(await command('repo remove app --json'))).toEqual({ repository: 'app', removed: 1 })
    expect(await command('repo list')).toBe('other\n')
    expect(await longshore('repo remove app', optionsFor(server))).toMatchObject({ code: 1 })
  })

  it.each(['tag remove app:v1', 'repo remove app'])('do not remove an immutable tag by "%s"', async words => {
    const policy = scratch.write(
      'policy.json',
      JSON.stringify({ rules: [], immutable: [{ on: ['app'], tags: ['v*'] }] }),
    )
    await succeed(`policy set ${policy} --data ${scratch.path}`)
    await push(server, 'app', 'v1', basic('ann', PASSWORD))
    const { code, stderr } = await longshore(words, optionsFor(server))
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/^longshore: not allowed: .*immutable\n$/),
    })
    expect(await succeed('tag list app', optionsFor(server))).toBe('v1\n')
  })
})

it('repo remove repeats its request until nothing is left', async () => {
  await using registry = await ScriptedRegistry.start(
    { json: { removed: 50, more: true } },
    { json: { removed: 10, more: false } },
  )
  const printed = await succeed('repo remove team/app --json', { env: { LONGSHORE_REGISTRY: registry.host } })
  expect(JSON.parse(printed)).toEqual({ repository: 'team/app', removed: 60 })
  expect(registry.requests).toEqual(Array(2).fill('DELETE /api/repositories/team/app'))
})

describe('a user who is not an administrator', () => {
  it('cannot list the accounts over HTTP', async () => {
    await succeed(`user add bob --data ${scratch.path}`, { input: PASSWORD })
    await using server = await FolderServer.start(scratch.path)
    const env = { LONGSHORE_REGISTRY: server.host, LONGSHORE_USER: 'bob', LONGSHORE_PASSWORD: PASSWORD }
    const { code, stderr } = await longshore('user list', { env })
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/^longshore: not allowed: .*administrators/),
    })
    expect(await longshore('user list', { env: { ...env, LONGSHORE_PASSWORD: 'wrong' } })).toMatchObject({
      code: 1,
    })
  })
})
