import { chmodSync, readFileSync, statSync } from 'node:fs'
import { delimiter } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { run as runHelper } from '../../../cli/credential-helper.ts'
import about from '../../../package.json' with { type: 'json' }
import { basic } from '../../support/auth.ts'
import { type CliOptions, longshore as longshoreAt, runInProcess, succeed } from '../../support/cli.ts'
import { FolderServer } from '../../support/folder-server.ts'
import { Issuer } from '../../support/issuer.ts'
import { ScriptedRegistry } from '../../support/scripted-registry.ts'
import { Sts } from '../../support/sts.ts'
import { TempDir } from '../../support/temp-dir.ts'

const PASSWORD = 'correct horse: ☃'
const CREDENTIALS = { accessKeyId: 'AKIAEXAMPLEEXAMPLE00', secretAccessKey: 'key' }
const AWS = { awsCredentials: async () => ({ credentials: CREDENTIALS, region: 'eu-central-1' }) }
const ROLE = 'arn:aws:sts::123456789012:assumed-role/deploy/me'

const data = new TempDir('longshore-data-')
let sts: Sts
let issuer: Issuer
let server: FolderServer
beforeAll(async () => {
  sts = await Sts.start()
  sts.addSigner({ credentials: CREDENTIALS, arn: ROLE })
  issuer = await Issuer.start()
  await succeed(`user add ann --admin --data ${data.path}`, { input: PASSWORD })
  server = await FolderServer.start(data.path, {
    awsAccounts: ['123456789012'],
    stsEndpoint: sts.endpoint,
    issuers: [{ name: 'ci', issuer: issuer.url, claims: { repository: 'acme/*' } }],
  })
})
afterAll(async () => {
  await server?.stop()
  await sts?.stop()
  await issuer?.stop()
  data.remove()
})

let docker: TempDir
beforeEach(() => {
  docker = new TempDir('longshore-docker-')
  return () => docker.remove()
})

const withDocker = ({ env, ...options }: CliOptions = {}): CliOptions => ({
  ...options,
  env: { DOCKER_CONFIG: docker.path, ...env },
})
const longshore = (words: string, options?: CliOptions) => longshoreAt(words, withDocker(options))
const helper = (verb: string, options?: CliOptions) => runInProcess(runHelper, [verb], withDocker(options))
const config = () => JSON.parse(readFileSync(docker.join('config.json'), 'utf8'))

describe('login', () => {
  it.each(['', '\n', '\r\n'])('stores a password, followed by %j, as Docker does', async end => {
    docker.write('config.json', JSON.stringify({ psFormat: 'x', auths: { other: { auth: 'eDp5' } } }))
    const { code, stdout } = await longshore(`login ${server.host} --user ann`, { input: PASSWORD + end })
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('user:ann') })
    const auth = Buffer.from(`ann:${PASSWORD}`).toString('base64')
    expect(config()).toEqual({ psFormat: 'x', auths: { other: { auth: 'eDp5' }, [server.host]: { auth } } })
    expect(statSync(docker.join('config.json')).mode & 0o777).toBe(0o600)
  })

  it('prompts for the password once on a terminal', async () => {
    const { code, stderr } = await longshore(`login ${server.host} --user ann`, { typed: [`${PASSWORD}\r`] })
    expect({ code, stderr }).toEqual({ code: 0, stderr: 'Password: \n' })
  })

  it('serves later commands until logout', async () => {
    await longshore(`login ${server.host} --user ann`, { input: PASSWORD })
    expect((await longshore(`user list --registry ${server.host}`)).stdout).toContain('ann')
    expect((await longshore(`logout ${server.host}`)).code).toBe(0)
    expect(config()).toEqual({})
    expect((await longshore(`user list --registry ${server.host}`)).code).toBe(1)
  })

  it('stores nothing if the password is wrong', async () => {
    const { code, stderr } = await longshore(`login ${server.host} --user ann`, { input: 'wrong password' })
    expect(code).toBe(1)
    expect(stderr).toMatch(/^longshore: localhost:\d+ refused the login: \w/)
    expect(() => config()).toThrow('ENOENT')
  })

  it('prints the reason if the response is not about the login', async () => {
    const errors = [{ code: 'BAD_REQUEST', message: 'this port requires TLS' }]
    await using registry = await ScriptedRegistry.start({ status: 400, json: { errors } })
    const { code, stderr } = await longshore(`login ${registry.host} --user ann`, { input: PASSWORD })
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `longshore: ${registry.host} refused the login: this port requires TLS\n`,
    })
  })

  it('is not needed if authentication is disabled', async () => {
    using folder = new TempDir('longshore-data-')
    await using open = await FolderServer.start(folder.path, { open: true })
    const { code, stderr } = await longshore(`login ${open.host} --user ann`, { input: PASSWORD })
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `longshore: no login is needed: authentication is disabled at ${open.host}\n`,
    })
  })

  it('stores the password in a credential helper if one is configured', async () => {
    const program = docker.write(
      'docker-credential-vault',
      `#!/bin/sh\ncase $1 in store) cat >${docker.path}/kept;; get) cat >/dev/null; cat ${docker.path}/kept;; erase) rm ${docker.path}/kept;; esac\n`,
    )
    chmodSync(program, 0o755)
    const env = { PATH: `${docker.path}${delimiter}${process.env.PATH}` }
    docker.write('config.json', JSON.stringify({ credsStore: 'vault' }))
    expect((await longshore(`login ${server.host} --user ann`, { input: PASSWORD, env })).code).toBe(0)
    expect(JSON.stringify(config())).not.toContain('auth"')
    expect(JSON.parse(readFileSync(docker.join('kept'), 'utf8'))).toEqual({
      ServerURL: server.host,
      Username: 'ann',
      Secret: PASSWORD,
    })
    expect((await longshore(`whoami --registry ${server.host}`, { env })).stdout).toContain('user:ann')
    expect((await longshore(`logout ${server.host}`, { env })).code).toBe(0)
    expect(() => readFileSync(docker.join('kept'))).toThrow('ENOENT')
  })

  it('accepts an ID token', async () => {
    const token = await issuer.mint({ audience: server.host })
    const { code, stdout } = await longshore(`login ${server.host} --user oidc`, { input: `${token}\r\n` })
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('oidc:ci:repo:acme/app') })
  })

  it.each([
    ['login registry.example', 2, /either --user <name> or --aws is required/],
    ['login registry.example --user ann --aws', 2, /either --user <name> or --aws is required/],
    ['login', 2, /missing required argument 'registry'/],
    ['login a/b --user ann', 2, /"a\/b" must be a registry/],
    ['login localhost:1 --user ann', 1, /cannot reach http:\/\/localhost:1/],
    ['login localhost:1 other --user ann', 2, /too many arguments/],
    ['aws-password registry.example', 1, /no AWS credentials/],
  ])('"%s" ends with %i and an explanation', async (words, code, message) => {
    const result = await longshore(words, { input: PASSWORD })
    expect([result.code, result.stderr]).toEqual([code, expect.stringMatching(message)])
  })

  it('is required again if docker login stored a token', async () => {
    const auths = { [server.host]: { auth: btoa('ann:'), identitytoken: 'lsr_token' } }
    docker.write('config.json', JSON.stringify({ auths }))
    const { code, stderr } = await longshore(`whoami --registry ${server.host}`)
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `longshore: docker login stored a token for ${server.host}, not a password: run "longshore login ${server.host} --user <name>"\n`,
    })
  })

  it('does not change a file that is not a Docker configuration', async () => {
    docker.write('config.json', 'mine')
    const { code, stderr } = await longshore(`login ${server.host} --user ann`, { input: PASSWORD })
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('it was not changed') })
    expect(readFileSync(docker.join('config.json'), 'utf8')).toBe('mine')
  })
})

describe('login --aws', () => {
  it('makes Docker get a password each time', async () => {
    const { code, stdout, stderr } = await longshore(`login ${server.host} --aws`, AWS)
    expect([code, stdout, stderr]).toEqual([
      0,
      expect.stringContaining('role:arn:aws:iam::123456789012:role/deploy'),
      '',
    ])
    expect(config()).toEqual({ credHelpers: { [server.host]: 'longshore' } })
  })

  it('works with the password of the credential helper', async () => {
    const login = JSON.parse((await helper('get', { input: server.host, ...AWS })).stdout)
    expect(login).toMatchObject({ ServerURL: server.host, Username: 'aws' })
    const response = await fetch(`${server.url}/token`, { headers: basic('aws', login.Secret) })
    expect(response.status).toBe(200)
  })

  it('creates a password that no other registry accepts', async () => {
    const { stdout } = await longshore('aws-password registry.example', AWS)
    expect(stdout).toMatch(/^https:\/\/sts\.eu-central-1\.amazonaws\.com\/\?/)
    const response = await fetch(`${server.url}/token`, { headers: basic('aws', stdout.trim()) })
    expect(response.status).toBe(401)
  })
})

describe('docker-credential-longshore', () => {
  it('reports a missing login in the words of the protocol', async () => {
    expect(await helper('get', { input: server.host })).toEqual({
      code: 1,
      stdout: 'credentials not found in native keychain\n',
      stderr: 'docker-credential-longshore: there are no AWS credentials\n',
    })
  })

  it.each([
    ['store', '{"ServerURL":"x"}', 0, ''],
    ['erase', 'x', 0, ''],
    ['list', '', 0, '{}\n'],
    ['fly', '', 2, ''],
  ])('%s stores nothing', async (verb, input, code, stdout) => {
    expect(await helper(verb, { input })).toMatchObject({ code, stdout })
  })

  it('has the name that Docker looks for', () => {
    expect(about.bin['docker-credential-longshore']).toBe('cli/credential-helper.js')
  })
})
