import type { IncomingMessage } from 'node:http'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { Client } from '../../smoke/client.ts'
import { expectReady, whyUnreachable } from '../../smoke/ready.ts'
import { attempt } from '../support/command.ts'
import { type FakeResponse, REGISTRY, startFakeRegistry } from './fake-registry.ts'

const MAIN = fileURLToPath(new URL('../../smoke/main.ts', import.meta.url))
const PATH = '/v2/smoke/test'
const ANN = { user: 'ann', password: 'correct horse' }
const WRONG = { user: 'ann', password: 'wrong' }
const CORRECT = `Basic ${Buffer.from('ann:correct horse').toString('base64')}`

type Respond = (request: IncomingMessage) => FakeResponse

/** Requires a login. Ann may pull, but not push. */
const requireLogin: Respond = ({ headers, method }) =>
  headers.authorization === CORRECT ? [method === 'POST' ? 403 : 200] : [401]

/** Anonymous clients may pull. A wrong login is refused. */
const allowAnonymousPulls: Respond = ({ headers, method }) => {
  if (headers.authorization === CORRECT) return [method === 'POST' ? 202 : 200]
  return [headers.authorization || method === 'POST' ? 401 : 200]
}

describe('expectReady', () => {
  it.each<[string, Respond, typeof ANN | undefined]>([
    ['an open registry', () => [200], undefined],
    ['an open registry, with a login', () => [200], ANN],
    ['a login that may push', ({ headers }) => [headers.authorization === CORRECT ? 200 : 401], ANN],
    ['a registry that allows anonymous pulls', allowAnonymousPulls, ANN],
  ])('accepts %s', async (_, respond, login) => {
    using registry = await startFakeRegistry(respond)

    const ready = expectReady(new Client(registry.origin, login), PATH, login?.user)

    await expect(ready).resolves.toBeUndefined()
  })

  it.each<[string, Respond, typeof ANN | undefined, string]>([
    ['a missing login', requireLogin, undefined, 'requires a login: use --user <name>'],
    ['a missing login to push', allowAnonymousPulls, undefined, 'requires a login: use --user <name>'],
    ['a wrong login', requireLogin, WRONG, 'the login of ann is refused (401): check --user'],
    [
      'a wrong login where anonymous clients may pull',
      allowAnonymousPulls,
      WRONG,
      'the login of ann is refused',
    ],
    ['a login that may not push', requireLogin, ANN, 'ann may not push to smoke/test'],
    [
      'a read-only registry',
      ({ method }) => [method === 'POST' ? 403 : 200],
      undefined,
      'an anonymous client may not',
    ],
    [
      'a throttled login',
      ({ headers }) => [headers.authorization ? 429 : 401],
      ANN,
      'too many failed logins of ann',
    ],
    ['another web server', () => [404, {}], undefined, 'is not a container registry (GET /v2/: 404)'],
    ['a web page', () => [200, { 'content-type': 'text/html' }], undefined, 'is not a container registry'],
    ['the address of the API', () => [403], undefined, 'is the address of the API'],
    [
      'a request that CloudFront refuses',
      () => [403, { server: 'CloudFront' }],
      undefined,
      'CloudFront refuses',
    ],
    ['a failing registry', () => [503], undefined, 'responds with 503'],
    [
      'a challenge for another address',
      () => [401, { ...REGISTRY, 'www-authenticate': 'Bearer realm="https://registry.example/token"' }],
      ANN,
      'to https://registry.example: run the smoke test with that address',
    ],
    [
      'upload sessions at another address',
      ({ method }) => [
        method === 'POST' ? 202 : 200,
        { ...REGISTRY, location: 'https://registry.example/v2/1' },
      ],
      undefined,
      'to https://registry.example: run the smoke test with that address',
    ],
  ])('reports %s', async (_, respond, login, message) => {
    using registry = await startFakeRegistry(respond)

    const ready = expectReady(new Client(registry.origin, login), PATH, login?.user)

    await expect(ready).rejects.toThrow(message)
  })

  it('reports a server without TLS', async () => {
    using registry = await startFakeRegistry(() => [200])
    const client = new Client(registry.origin.replace('http:', 'https:'))

    await expect(expectReady(client, PATH, undefined)).rejects.toThrow('TLS with 127.0.0.1 fails')
  })

  it('reports a server that does not respond', async () => {
    await expect(expectReady(new Client('http://127.0.0.1:9'), PATH, undefined)).rejects.toThrow(
      'http://127.0.0.1:9 does not respond',
    )
  })
})

describe('whyUnreachable', () => {
  it.each([
    ['ENOTFOUND', 'the name registry.example cannot be resolved'],
    ['EAI_AGAIN', 'the name registry.example cannot be resolved'],
    ['CERT_HAS_EXPIRED', 'TLS with registry.example fails'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'NODE_EXTRA_CA_CERTS'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'TLS with registry.example fails'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'TLS with registry.example fails'],
    ['ECONNREFUSED', 'https://registry.example does not respond'],
  ])('explains %s', (code, message) => {
    const error = Object.assign(new Error('message of Node'), { code })

    expect(whyUnreachable('https://registry.example', error)).toContain(message)
  })
})

it('the smoke test prints the first cause only, and exits with 1', async () => {
  using registry = await startFakeRegistry(requireLogin)
  const env = { LONGSHORE_PASSWORD: 'wrong' }

  const { code, stdout, stderr } = await attempt(process.execPath, [MAIN, registry.origin, '--user', 'ann'], {
    env,
  })

  expect([code, stdout]).toEqual([1, ''])
  expect(stderr).toMatch(/^longshore: the login of ann is refused [^\n]*\n$/)
})
