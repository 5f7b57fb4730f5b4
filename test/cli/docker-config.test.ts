import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DockerConfig } from '../../cli/docker-config.ts'

const HOST = 'registry.example'
const LOGIN = { user: 'ann', password: 'correct: horse' }

let folder: string
let config: DockerConfig
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'longshore-'))
  config = new DockerConfig({ env: { DOCKER_CONFIG: folder, PATH: process.env.PATH }, home: '/nowhere' })
})
afterEach(() => rmSync(folder, { recursive: true }))

const write = (document: object) => writeFileSync(config.path, JSON.stringify(document))
const read = () => JSON.parse(readFileSync(config.path, 'utf8'))

it('stores a login that only its owner can read', async () => {
  await config.save(HOST, LOGIN)
  expect(await config.find(HOST)).toEqual(LOGIN)
  expect(statSync(config.path).mode & 0o777).toBe(0o600)
})

it('restricts the mode of a temporary file that was left behind', async () => {
  writeFileSync(`${config.path}.longshore`, 'half', { mode: 0o644 })
  await config.save(HOST, LOGIN)
  expect(statSync(config.path).mode & 0o777).toBe(0o600)
})

it('replaces the AWS credential helper by a password and keeps the other settings', async () => {
  write({ credHelpers: { [HOST]: 'longshore', 'other.example': 'other' }, proxies: { default: {} } })
  await config.save(HOST, LOGIN)
  expect(read()).toMatchObject({ credHelpers: { 'other.example': 'other' }, proxies: { default: {} } })
  expect(await config.find(HOST)).toEqual(LOGIN)
})

it('does not run a helper whose name is a path', async () => {
  const marker = join(folder, 'marker')
  writeFileSync(join(folder, 'x'), `#!/bin/sh\ntouch ${marker}\n`, { mode: 0o755 })
  write({ credsStore: `x/../../../../../../../../../..${join(folder, 'x')}` })
  await expect(config.save(HOST, LOGIN)).rejects.toThrow('must be the name of a credential helper')
  expect(existsSync(marker)).toBe(false)
})

it('does not change a file that is not a Docker configuration', async () => {
  writeFileSync(config.path, '{"auths": 7}')
  await expect(config.save(HOST, LOGIN)).rejects.toThrow('it was not changed')
  expect(readFileSync(config.path, 'utf8')).toBe('{"auths": 7}')
})

it('is in the home folder unless DOCKER_CONFIG names another', () => {
  expect(new DockerConfig({ env: {}, home: '/home/ann' }).path).toBe(
    join('/home/ann', '.docker', 'config.json'),
  )
})

it('reads a file with a byte order mark', async () => {
  const auths = { [HOST]: { auth: btoa('ann:correct: horse') } }
  writeFileSync(config.path, `\uFEFF${JSON.stringify({ auths })}`)
  expect(await config.find(HOST)).toEqual(LOGIN)
})

describe('findLogin', () => {
  const auth = btoa('ann:secret')

  it.each([
    'registry.example:5000',
    'https://registry.example:5000',
    'https://registry.example:5000/v1/',
    'registry.example:5000/v2',
  ])('finds a login that a client stored under %s', async key => {
    write({ auths: { 'registry.example': { auth: btoa('other:x') }, [key]: { auth } } })
    expect(await config.findLogin('registry.example:5000')).toEqual({ user: 'ann', password: 'secret' })
  })

  it('does not take the login of one repository for that of its registry', async () => {
    write({ auths: { 'registry.example/team': { auth } } })
    expect(await config.findLogin(HOST)).toBeUndefined()
  })

  it('finds the token that docker login stored in place of a password', async () => {
    write({ auths: { [HOST]: { auth, identitytoken: 't' } } })
    expect(await config.findLogin(HOST)).toEqual({ refreshToken: 't' })
  })
})
