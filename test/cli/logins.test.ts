import { chmodSync, readFileSync, statSync } from 'node:fs'
import { delimiter, resolve } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { attempt } from '../support/command.ts'
import { freePort } from '../support/free-port.ts'
import { Issuer } from '../support/issuer.ts'
import { LocalServer } from '../support/local-server.ts'
import { Scratch } from '../support/scratch.ts'
import { Sts } from '../support/sts.ts'

const PASSWORD = 'correct horse: ☃'
const AWS = {
  AWS_ACCESS_KEY_ID: 'AKIAEXAMPLEEXAMPLE00',
  AWS_SECRET_ACCESS_KEY: 'key',
  AWS_REGION: 'eu-central-1',
}
/** So that nothing on this machine is taken for a login at AWS. */
const NOWHERE = {
  AWS_ACCESS_KEY_ID: '',
  AWS_SECRET_ACCESS_KEY: '',
  AWS_CONFIG_FILE: '/nowhere',
  AWS_SHARED_CREDENTIALS_FILE: '/nowhere',
  AWS_EC2_METADATA_DISABLED: 'true',
}
const ROLE = 'arn:aws:sts::123456789012:assumed-role/deploy/me'

describe('logging in by the command', { timeout: 60_000 }, () => {
  const data = new Scratch('longshore-data-')
  let sts: Sts
  let issuer: Issuer
  let server: LocalServer
  beforeAll(async () => {
    sts = await Sts.start()
    sts.know({ credentials: { accessKeyId: AWS.AWS_ACCESS_KEY_ID, secretAccessKey: 'key' }, arn: ROLE })
    issuer = await Issuer.start()
    const issuers = [{ name: 'ci', issuer: issuer.url, claims: { repository: 'acme/*' } }]
    await attempt(process.execPath, ['cli/start.js', 'user', 'add', 'ann', '--admin', '--data', data.path], {
      input: PASSWORD,
    })
    const port = await freePort()
    server = await LocalServer.start({
      data: data.path,
      args: [
        ...['--port', `${port}`, '--origin', `http://localhost:${port}`, '--aws-accounts', '123456789012'],
        ...['--sts-endpoint', sts.endpoint, '--issuers', data.write('issuers.json', JSON.stringify(issuers))],
      ],
    })
  })
  afterAll(async () => {
    await server?.stop()
    await sts?.stop()
    await issuer?.stop()
    data.remove()
  })

  let docker: Scratch
  beforeEach(() => {
    docker = new Scratch('longshore-docker-')
    return () => docker.remove()
  })

  const run = (program: string, words: string, input: string, env: Record<string, string>) =>
    attempt(process.execPath, [`cli/${program}`, ...words.split(' ')], {
      input,
      env: { ...NOWHERE, DOCKER_CONFIG: docker.path, ...env },
    })
  const longshore = (words: string, input = '', env: Record<string, string> = {}) =>
    run('start.js', words, input, env)
  const helper = (verb: string, input = '', env: Record<string, string> = {}) =>
    run('credential-helper.js', verb, input, env)
  const config = () => JSON.parse(readFileSync(docker.join('config.json'), 'utf8'))

  it('keeps a password as Docker does, for Docker and for itself', async () => {
    docker.write('config.json', JSON.stringify({ psFormat: 'x', auths: { other: { auth: 'eDp5' } } }))
    const { code, stdout } = await longshore(`login ${server.host} --user ann`, PASSWORD)
    expect([code, stdout]).toEqual([0, expect.stringContaining('user:ann')])
    expect(config()).toEqual({
      psFormat: 'x',
      auths: {
        other: { auth: 'eDp5' },
        [server.host]: { auth: Buffer.from(`ann:${PASSWORD}`).toString('base64') },
      },
    })
    expect(statSync(docker.join('config.json')).mode & 0o777).toBe(0o600)
    expect((await longshore(`user list --registry ${server.host}`)).stdout).toContain('ann')

    await longshore(`logout ${server.host}`)
    expect(config()).toEqual({ psFormat: 'x', auths: { other: { auth: 'eDp5' } } })
    expect((await longshore(`user list --registry ${server.host}`)).code).toBe(1)
  })

  it('keeps nothing of a wrong one', async () => {
    const { code, stderr } = await longshore(`login ${server.host} --user ann`, 'wrong password')
    expect([code, stderr.trim()]).toEqual([
      1,
      `longshore: ${server.host} does not let you in: name or password is wrong`,
    ])
    expect(() => config()).toThrow('ENOENT')
  })

  it('has no use where everybody may do everything', async () => {
    await using open = await LocalServer.start()
    const { code, stderr } = await longshore(`login ${open.host} --user ann`, PASSWORD)
    expect([code, stderr]).toEqual([1, `longshore: nobody logs in to ${open.host}: it is open to all\n`])
  })

  it('hands a password to the program that keeps them, where there is one', async () => {
    const program = docker.write(
      'docker-credential-vault',
      `#!/bin/sh\ncase $1 in store) cat >${docker.path}/kept;; get) cat >/dev/null; cat ${docker.path}/kept;; erase) rm ${docker.path}/kept;; esac\n`,
    )
    chmodSync(program, 0o755)
    const env = { PATH: `${docker.path}${delimiter}${process.env.PATH}` }
    docker.write('config.json', JSON.stringify({ credsStore: 'vault' }))
    expect((await longshore(`login ${server.host} --user ann`, PASSWORD, env)).code).toBe(0)
    expect(JSON.stringify(config())).not.toContain('auth"')
    expect(JSON.parse(readFileSync(docker.join('kept'), 'utf8'))).toEqual({
      ServerURL: server.host,
      Username: 'ann',
      Secret: PASSWORD,
    })
    expect((await longshore(`whoami --registry ${server.host}`, '', env)).stdout).toContain('user:ann')
    expect((await longshore(`logout ${server.host}`, '', env)).code).toBe(0)
    expect(() => readFileSync(docker.join('kept'))).toThrow('ENOENT')
  })

  it('makes Docker ask for the login at AWS each time', async () => {
    const { code, stdout, stderr } = await longshore(`login ${server.host} --aws`, '', AWS)
    expect([code, stdout, stderr]).toEqual([
      0,
      expect.stringContaining('role:arn:aws:iam::123456789012:role/deploy'),
      '',
    ])
    expect(config()).toEqual({ credHelpers: { [server.host]: 'longshore' } })
    const said = JSON.parse((await helper('get', server.host, AWS)).stdout)
    expect(said).toMatchObject({ ServerURL: server.host, Username: 'aws' })
    const login = Buffer.from(`aws:${said.Secret}`).toString('base64')
    const answer = await fetch(`${server.url}/token`, { headers: { authorization: `Basic ${login}` } })
    expect(answer.status).toBe(200)
  })

  it('tells nobody else the password that AWS is asked by', async () => {
    const { stdout } = await longshore('aws-password registry.example', '', AWS)
    const elsewhere = stdout.trim()
    expect(elsewhere).toMatch(/^https:\/\/sts\.eu-central-1\.amazonaws\.com\/\?/)
    const login = Buffer.from(`aws:${elsewhere}`).toString('base64')
    const answer = await fetch(`${server.url}/token`, { headers: { authorization: `Basic ${login}` } })
    expect(answer.status).toBe(401)
  })

  it('is by an ID token too', async () => {
    const token = await issuer.mint({ audience: server.host })
    const { code, stdout } = await longshore(`login ${server.host} --user oidc`, token)
    expect([code, stdout]).toEqual([0, expect.stringContaining('oidc:ci:repo:acme/app')])
  })

  it.each([
    ['login', 2, /say --user <name> or --aws/],
    ['login registry.example', 2, /say --user <name> or --aws/],
    ['login a/b --user ann', 2, /"a\/b" is no registry/],
    ['login localhost:1 --user ann', 1, /does not answer/],
    [
      'login https://SERVER --user ann',
      1,
      /^longshore: https:.* does not speak TLS \(http:.* asks without\)$/,
    ],
    ['login localhost:1 other --user ann', 2, /"other" is too much/],
    ['aws-password registry.example', 1, /no credentials of AWS are found/],
  ])('%j ends with %i and says why', async (words, code, message) => {
    const result = await longshore(words.replace('SERVER', server.host), PASSWORD)
    expect([result.code, result.stderr.trim()]).toEqual([code, expect.stringMatching(message)])
  })

  it('says that a token which docker login has kept does not do', async () => {
    const auths = { [server.host]: { auth: btoa('ann:'), identitytoken: 'lsr_token' } }
    docker.write('config.json', JSON.stringify({ auths }))
    const { code, stderr } = await longshore(`whoami --registry ${server.host}`)
    expect([code, stderr]).toEqual([
      1,
      `longshore: docker login has kept a token for ${server.host}, no password: log in by longshore login ${server.host}\n`,
    ])
  })

  it('leaves alone what Docker has not written', async () => {
    docker.write('config.json', 'mine')
    const { code, stderr } = await longshore(`login ${server.host} --user ann`, PASSWORD)
    expect([code, stderr]).toEqual([1, expect.stringContaining('is left as it is')])
    expect(readFileSync(docker.join('config.json'), 'utf8')).toBe('mine')
  })

  describe('docker-credential-longshore', () => {
    it('says in the words of the protocol that there is no login, where there is none', async () => {
      const { code, stdout } = await helper('get', server.host)
      expect([code, stdout]).toEqual([1, 'credentials not found in native keychain\n'])
    })

    it.each([
      ['store', '{"ServerURL":"x"}', 0, ''],
      ['erase', 'x', 0, ''],
      ['list', '', 0, '{}\n'],
      ['fly', '', 2, ''],
    ])('%s: keeps nothing', async (verb, input, code, stdout) => {
      const result = await helper(verb, input)
      expect([result.code, result.stdout]).toEqual([code, stdout])
    })

    it('is found by the name under which Docker looks for it', () => {
      const { bin } = JSON.parse(readFileSync(resolve('package.json'), 'utf8'))
      expect(bin['docker-credential-longshore']).toBe('cli/credential-helper.js')
    })
  })

  it('writes no password into the log', () => {
    expect(server.logs).not.toMatch(/X-Amz-Signature|eyJ|correct horse/)
  })
})
