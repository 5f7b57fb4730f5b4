import { describe, expect, it } from 'vitest'
import { generateKey } from '../../lambda/auth/identity/passwords.ts'
import { CloudFrontSigner } from '../../lambda/aws/signed-urls.ts'
import { basic, bearer, newKey, openGuarded, PASSWORD } from '../support/auth.ts'
import { digest } from '../support/content.ts'
import { withFault } from '../support/faults.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { openRegistry } from '../support/registry.ts'
import { expectNoSecrets, secretsIn, secretsOf } from '../support/secrets-in-logs.ts'

/** A log record with realistic fields, and a secret in its message and its stack. */
const logWith = (secret: string) =>
  `${JSON.stringify({
    time: '2026-01-01T00:00:00.000Z',
    level: 'error',
    requestId: 'b7c9e6a0-5c7e-4f8e-9a53-0d3f1b6f6a11',
    message: secret,
    repository: 'basic/bearer',
    agent: 'docker/29.1 go/go1.26 UpstreamClient(Docker-Client/29.1)',
    stack: `Error: ${secret}\n    at authorize (file:///lambda/auth/authorizer.ts:1:1)`,
  })}\n`

describe('secretsIn finds', () => {
  it.each<[kind: string, create: () => string | Promise<string>]>([
    ['a token', async () => (await openGuarded()).tokenFor(basic('root', PASSWORD))],
    ['a key or a refresh token', () => generateKey().key],
    [
      'an upload token',
      async () => {
        const { expectStatus } = await openGuarded()
        const sent = { headers: basic('root', PASSWORD) }
        const { headers } = await expectStatus(202, 'POST', '/v2/app/blobs/uploads/', sent)
        return headers.location ?? ''
      },
    ],
    [
      'the signature of an upload',
      () => new CloudFrontSigner(newKey()).directQuery({ upload: 'u', name: 'a' } as never, 1e9),
    ],
    [
      'the signature of a pull',
      () => new CloudFrontSigner(newKey()).pullPath(digest('') as never, 'k', 1_800_000_000),
    ],
    ['an Authorization header', () => basic('ci', 'some other password').authorization],
    ['an Authorization header', () => bearer('opaque-token').authorization],
    ['an AWS signature', () => 'https://bucket.s3.amazonaws.com/o?X-Amz-Signature=0123'],
    ['a password of the tests', () => PASSWORD],
    ['a password of the tests', () => Buffer.from(`ann:${PASSWORD}`).toString('base64')],
    ['a password of the tests', () => Buffer.from(`root:${PASSWORD}`).toString('base64')],
    ['a password of the tests', () => Buffer.from(`anna:${PASSWORD}`).toString('base64')],
  ])('%s', async (kind, create) => {
    const log = logWith(await create())
    expect(secretsIn(log)).toContain(kind)
    expect(() => expectNoSecrets(log)).toThrow(kind)
  })

  it('a secret that the caller passes', () => {
    expect(secretsIn(logWith('abcdefgh'), { 'the edge key': 'abcdefgh' })).toEqual(['the edge key'])
  })
})

it('secretsIn accepts a log without secrets', () => {
  expect(
    secretsIn(logWith('Bearer realm="https://registry.example/token",service="registry.example"')),
  ).toEqual([])
})

it('expectNoSecrets does not print the secret', () => {
  expect(() => expectNoSecrets(logWith(PASSWORD))).toThrow(/^the log contains a password of the tests$/)
})

it('secretsOf finds the secrets of a request', () => {
  const form = 'grant_type=password&username=ann&password=hunter22&refresh_token=refreshed'
  const headers = { ...basic('ann', 'hunter2-1'), 'content-type': 'application/x-www-form-urlencoded' }
  expect(Object.values(secretsOf({ target: '/v2/app?_state=9.holder.x', headers, body: form }))).toEqual([
    headers.authorization.slice('Basic '.length),
    'hunter2-1',
    '9.holder.x',
    'hunter22',
    'refreshed',
  ])
})

it('openRegistry fails a test when an error repeats the credentials of a request', async () => {
  const error = new Error(`cannot look up ${basic('ci', 'swordfish').authorization.slice('Basic '.length)}`)
  const registry = openRegistry({
    table: withFault(new MemoryTable(), ['get', 'query'], { error, calls: 0 }),
  })
  const response = registry.get('/v2/app/tags/list', basic('ci', 'swordfish'))
  await expect(response).rejects.toThrow('the log contains the credentials of Authorization')
})
