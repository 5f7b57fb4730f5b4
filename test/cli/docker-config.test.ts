import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { DockerConfig } from '../../cli/docker-config.ts'

const HOST = 'registry.example'
const LOGIN = { user: 'ann', password: 'correct: horse' }

let folder: string
let config: DockerConfig
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'longshore-'))
  config = new DockerConfig({ DOCKER_CONFIG: folder })
})
afterEach(() => rmSync(folder, { recursive: true }))

const write = (document: object) => writeFileSync(config.path, JSON.stringify(document))
const read = () => JSON.parse(readFileSync(config.path, 'utf8'))

it('keeps a login where it finds it again, for nobody else to read', async () => {
  await config.save(HOST, LOGIN)
  expect(await config.find(HOST)).toEqual(LOGIN)
  expect(statSync(config.path).mode & 0o777).toBe(0o600)
})

it('writes for nobody else to read also over what it left when it was killed', async () => {
  writeFileSync(`${config.path}.longshore`, 'half', { mode: 0o644 })
  await config.save(HOST, LOGIN)
  expect(statSync(config.path).mode & 0o777).toBe(0o600)
})

it('keeps a password in place of the helper that logs in by AWS, and what else is there', async () => {
  write({ credHelpers: { [HOST]: 'longshore', 'other.example': 'other' }, proxies: { default: {} } })
  await config.save(HOST, LOGIN)
  expect(read()).toMatchObject({ credHelpers: { 'other.example': 'other' }, proxies: { default: {} } })
  expect(await config.find(HOST)).toEqual(LOGIN)
})

it('runs nothing whose name leads elsewhere', async () => {
  const made = join(folder, 'made')
  writeFileSync(join(folder, 'x'), `#!/bin/sh\ntouch ${made}\n`, { mode: 0o755 })
  write({ credsStore: `x/../../../../../../../../../..${join(folder, 'x')}` })
  await expect(config.save(HOST, LOGIN)).rejects.toThrow('is no name of a program')
  expect(existsSync(made)).toBe(false)
})

it('leaves alone what Docker would not have written', async () => {
  writeFileSync(config.path, '{"auths": 7}')
  await expect(config.save(HOST, LOGIN)).rejects.toThrow('is left as it is')
  expect(readFileSync(config.path, 'utf8')).toBe('{"auths": 7}')
})
