import { describe, expect, it } from 'vitest'
import { generateKey } from '../../lambda/auth/identity/passwords.ts'
import { CloudFrontSigner } from '../../lambda/aws/signed-urls.ts'
import { basic, bearer, newKey, openGuarded, PASSWORD } from '../support/auth.ts'
import { digest } from '../support/content.ts'
import { withFault } from '../support/faults.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { openRegistry } from '../support/registry.ts'
import { expectNoSecrets, secretsIn, secretsOf } from '../support/secrets-in-logs.ts'

/** A log with everything that may stand there, and one thing that may not. */
const logOf = (leak: string) =>
  `${JSON.stringify({
    time: '2026-01-01T00:00:00.000Z',
    level: 'error',
    requestId: 'b7c9e6a0-5c7e-4f8e-9a53-0d3f1b6f6a11',
    message: leak,
    repository: 'basic/bearer',
    agent: 'docker/29.1 go/go1.26 UpstreamClient(Docker-Client/29.1)',
    stack: `Error: ${leak}\n    at authorize (file:///lambda/auth/authorizer.ts:1:1)`,
  })}\n`

describe('what no log may hold is found when it is planted there:', () => {
  it.each<[what: string, plant: () => string | Promise<string>]>([
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
      'the pass of the direct road',
      () => new CloudFrontSigner(newKey()).uploadQuery('u' as never, 'a' as never, 1e9),
    ],
    [
      'the signature of a pull',
      () => new CloudFrontSigner(newKey()).pullPath(digest('') as never, 'k', 1_800_000_000),
    ],
    ['an Authorization header', () => basic('ci', 'some other password').authorization],
    ['an Authorization header', () => bearer('opaque-token').authorization],
    ['a signature of AWS', () => 'https://bucket.s3.amazonaws.com/o?X-Amz-Signature=0123'],
    ['a password of the tests', () => PASSWORD],
    ['a password of the tests', () => Buffer.from(`ann:${PASSWORD}`).toString('base64')],
    ['a password of the tests', () => Buffer.from(`root:${PASSWORD}`).toString('base64')],
    ['a password of the tests', () => Buffer.from(`anna:${PASSWORD}`).toString('base64')],
  ])('%s', async (what, plant) => {
    const log = logOf(await plant())
    expect(secretsIn(log)).toContain(what)
    expect(() => expectNoSecrets(log)).toThrow(what)
  })

  it('a secret that only the caller knows', () => {
    expect(secretsIn(logOf('abcdefgh'), { 'the key of the edge': 'abcdefgh' })).toEqual([
      'the key of the edge',
    ])
  })
})

it('a log without a secret is let through', () => {
  expect(
    secretsIn(logOf('Bearer realm="https://registry.example/token",service="registry.example"')),
  ).toEqual([])
})

it('the message of a failure shows nothing of the secret', () => {
  expect(() => expectNoSecrets(logOf(PASSWORD))).toThrow(/^a log holds a password of the tests$/)
})

it('of a request it is known what is secret', () => {
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

it('an error that repeats what a client showed fails the test that met it', async () => {
  const error = new Error(`cannot look up ${basic('ci', 'swordfish').authorization.slice('Basic '.length)}`)
  const registry = openRegistry({
    table: withFault(new MemoryTable(), ['get', 'query'], { error, calls: 0 }),
  })
  const asked = registry.get('/v2/app/tags/list', basic('ci', 'swordfish'))
  await expect(asked).rejects.toThrow('a log holds what Authorization says')
})
