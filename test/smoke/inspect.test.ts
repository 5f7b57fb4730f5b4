import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { Client } from '../../smoke/client.ts'
import { expectReady, inspect, whyUnreachable } from '../../smoke/inspect.ts'
import { attempt } from '../support/command.ts'

const MAIN = fileURLToPath(new URL('../../smoke/main.ts', import.meta.url))
const PATH = '/v2/smoke/test'
const REGISTRY = { 'docker-distribution-api-version': 'registry/2.0' }
const LOGIN = { user: 'ann', password: 'correct horse' }
const CORRECT = `Basic ${Buffer.from('ann:correct horse').toString('base64')}`

type Answer = readonly [status: number, headers?: Record<string, string>]
let close = () => {}
afterEach(() => close())

/** Something that answers by HTTP, and its address. */
async function answering(answer: (request: IncomingMessage) => Answer): Promise<string> {
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    request.resume().on('end', () => {
      const [status, headers = REGISTRY] = answer(request)
      response.writeHead(status, headers).end()
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  close = () => server.close()
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** How a deployment answers, whoever asks. */
const deployment =
  ({ pull, relay }: { pull: 's3' | 'edge'; relay: boolean }) =>
  ({ method, url = '' }: IncomingMessage): Answer => {
    if (method === 'HEAD') return [307, { location: pull === 'edge' ? '/pull/1' : 'https://s3.example/1' }]
    if (method === 'PATCH') return [relay ? 202 : 413]
    if (method === 'POST')
      return [url.includes('digest=') ? 201 : 202, { ...REGISTRY, location: `${PATH}/1` }]
    return [200]
  }

describe('the smoke test finds out', () => {
  it.each([
    { pull: 's3', relay: false },
    { pull: 's3', relay: true },
    { pull: 'edge', relay: false },
    { pull: 'edge', relay: true },
  ] as const)('that a deployment has %j', async deployed => {
    const client = new Client(await answering(deployment(deployed)))
    expect(await inspect({ client, path: PATH, blobs: [] })).toEqual(deployed)
  })

  it('that a registry does not run on AWS', async () => {
    const client = new Client(await answering(({ method }) => [method === 'POST' ? 201 : 200]))
    await expect(inspect({ client, path: PATH, blobs: [] })).rejects.toThrow('does not run on AWS')
  })
})

describe('the smoke test stops at the first cause:', () => {
  const guarded = ({ headers, method }: IncomingMessage): Answer =>
    headers.authorization === CORRECT ? [method === 'POST' ? 403 : 200] : [401]

  it.each<
    [string, (request: IncomingMessage) => Answer, { user: string; password: string } | undefined, string]
  >([
    ['no login', guarded, undefined, 'needs a login'],
    ['a wrong login', guarded, { user: 'ann', password: 'wrong' }, 'the login of ann is refused (401)'],
    ['a login that may not push', guarded, LOGIN, 'ann may not push to smoke/test'],
    [
      'a login that is slowed',
      ({ headers }) => [headers.authorization ? 429 : 401],
      LOGIN,
      'too many logins',
    ],
    ['not a registry', () => [404, {}], undefined, 'is not a container registry: GET /v2/ is 404'],
    ['a web page', () => [200, { 'content-type': 'text/html' }], undefined, 'is not a container registry'],
    ['the API behind the edge', () => [403], undefined, 'is the API itself'],
    ['a registry in trouble', () => [503], undefined, 'answers 503'],
  ])('%s', async (_, answer, login, message) => {
    const client = new Client(await answering(answer), login)
    await expect(expectReady(client, PATH, login?.user)).rejects.toThrow(message)
  })

  it.each([
    ['ENOTFOUND', 'the name registry.example is not known'],
    ['EAI_AGAIN', 'the name registry.example is not known'],
    ['CERT_HAS_EXPIRED', 'TLS with registry.example fails'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'NODE_EXTRA_CA_CERTS'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'TLS with registry.example fails'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'TLS with registry.example fails'],
    ['ECONNREFUSED', 'https://registry.example does not answer'],
  ])('%s', (code, message) => {
    const error = Object.assign(new Error('as Node says'), { code })
    expect(whyUnreachable('https://registry.example', error)).toContain(message)
  })

  it('and says it alone, with exit code 1', async () => {
    const origin = await answering(guarded)
    const env = { LONGSHORE_PASSWORD: 'wrong' }
    const { code, stdout, stderr } = await attempt(process.execPath, [MAIN, origin, '--user', 'ann'], { env })
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(/^longshore: the login of ann is refused [^\n]*\n$/)
  })
})
