import { beforeEach, describe, expect, it } from 'vitest'
import { OCI_INDEX } from '../../../lambda/protocol/media-types.ts'
import { routes } from '../../../lambda/routes/index.ts'
import { basic, bearer, type Guarded, openGuarded, PASSWORD } from '../../support/auth.ts'
import { digest, indexOf } from '../../support/content.ts'
import { openRegistry } from '../../support/registry.ts'

/*
 * Known vulnerabilities of other registries, tried on this one: broken access control. Each group names the kind of
 * fault and an example.
 */

const MINUTE = 60_000
const SECRET = 'secret layer'
const BLOB = digest(SECRET)
const ROOT = basic('root', PASSWORD)
const ANN = basic('ann', PASSWORD)
const BOB = basic('bob', PASSWORD)

let guarded: Guarded
const rule = (who: string, may: string[], on: string[], tags?: string[]) => ({
  name: `${who} ${may}`,
  ...{ who: [who], may, on, ...(tags && { tags }) },
})
const push = (login: Record<string, string>, target: string, number = 1) =>
  guarded.as(login, 'PUT', `/v2/${target}`, {
    body: indexOf([], { annotations: { number: String(number) } }),
    headers: { 'content-type': OCI_INDEX },
  })

/** Replaces the policy, and waits until no process has the previous one in its cache. */
async function allow(...rules: unknown[]): Promise<void> {
  await guarded.setPolicy({ rules })
  guarded.wait(MINUTE)
}

beforeEach(async () => {
  guarded = await openGuarded()
  for (const name of ['ann', 'bob']) await guarded.addUser(name)
  await allow(rule('user:ann', ['pull', 'push', 'delete'], ['ann/*']))
  await guarded.as(ROOT, 'POST', `/v2/ann/app/blobs/uploads/?digest=${BLOB}`, { body: SECRET })
  await push(ROOT, 'ann/app/manifests/v1')
})

describe('a route without an access check (CVE-2026-27771)', () => {
  const open = ['/token', '/healthz', '/', '/api/openapi.json']
  it.each(
    routes.filter(({ path }) => !open.includes(path)).map(({ method, path }) => [method, path] as const),
  )('does not exist: %s %s requires a login', async (method, path) => {
    const parts = {
      name: 'ann/app',
      digest: BLOB,
      reference: 'v1',
      existing: 'v1',
      upload: crypto.randomUUID(),
    }
    const target = path.replace(/<(\w+)>/g, (_, part) => (parts as Record<string, string>)[part] ?? 'root')
    expect((await guarded.request(method, target)).status).toBe(401)
  })
})

describe('a blob that is stored once for all repositories (CVE-2024-39897)', () => {
  it.each(['', '&from=ann/app', '&from=bob/app'])(
    'cannot be mounted without pull access, with the query%s',
    async from => {
      await allow(rule('user:bob', ['pull', 'push'], ['bob/*']))
      const mounted = await guarded.as(BOB, 'POST', `/v2/bob/app/blobs/uploads/?mount=${BLOB}${from}`)
      expect(mounted.status).toBe(202)
      expect((await guarded.as(BOB, 'GET', `/v2/bob/app/blobs/${BLOB}`)).status).toBe(404)
    },
  )
})

describe('an upload session of another account (CVE-2026-32589)', () => {
  it.each(['GET', 'PATCH', 'PUT', 'DELETE'])('is unknown to %s', async method => {
    await allow(rule('user:*', ['pull', 'push'], ['**']))
    const begun = await guarded.as(ANN, 'POST', '/v2/ann/app/blobs/uploads/')
    const [path = ''] = begun.headers.location?.replace('https://registry.example', '').split('?') ?? []
    for (const target of [path, path.replace('/ann/app/', '/bob/app/')]) {
      const response = await guarded.as(BOB, method, `${target}?digest=${digest('x')}`, { body: 'x' })
      expect([response.status, response.code]).toEqual([404, 'BLOB_UPLOAD_UNKNOWN'])
    }
    expect((await guarded.as(ANN, 'GET', path)).status).toBe(204)
  })
})

describe('the state of an upload in a URL that a client sends (CVE-2026-32590)', () => {
  it.each([
    '',
    'x',
    '1.e30.x',
    `9999999999.${Buffer.from('{"account":"root","generation":0}').toString('base64url')}.${'A'.repeat(43)}`,
    `9999999999.${Buffer.from('{"__proto__":{"admin":true}}').toString('base64url')}.${'A'.repeat(43)}`,
    '%00%ff',
  ])('is rejected without a valid signature: %j', async token => {
    const begun = await guarded.as(ANN, 'POST', '/v2/ann/app/blobs/uploads/')
    const [path = ''] = begun.headers.location?.replace('https://registry.example', '').split('?') ?? []
    for (const name of ['_state', 'proof'])
      expect((await guarded.request('PATCH', `${path}?${name}=${token}`, { body: 'x' })).status).toBe(401)
  })
})

describe('an action that only a right to another action would allow', () => {
  it.each(['latest', 'v1'])(
    'is refused: moving the tag %s with the right to create tags (CVE-2026-31801)',
    async tag => {
      await allow(rule('user:bob', ['pull', 'push-content', 'create-tag'], ['bob/*']))
      expect((await push(BOB, `bob/app/manifests/${tag}`, 1)).status).toBe(201)
      const moved = await push(BOB, `bob/app/manifests/${tag}`, 2)
      expect([moved.status, moved.detail]).toEqual([
        403,
        expect.objectContaining({ action: 'overwrite-tag' }),
      ])
    },
  )

  it('is refused: deleting a tag or a manifest with the right to push (CVE-2026-41888)', async () => {
    await allow(rule('user:ann', ['pull', 'push'], ['ann/*']))
    for (const reference of ['v1', digest(indexOf([], { annotations: { number: '1' } }))]) {
      const { status } = await guarded.as(ANN, 'DELETE', `/v2/ann/app/manifests/${reference}`)
      expect(status).toBe(403)
    }
    expect((await guarded.as(ANN, 'GET', '/v2/ann/app/manifests/v1')).status).toBe(200)
  })
})

describe('a right of a group (CVE-2025-23208)', () => {
  it('is lost with the membership, for old and new tokens and for the password', async () => {
    await guarded.auth.accounts.changeUser('bob', { groups: ['release'] })
    await allow(rule('group:release', ['pull'], ['ann/*']))
    const token = await guarded.tokenFor(BOB, 'repository:ann/app:pull')
    const pull = (login: Record<string, string>) => guarded.as(login, 'GET', '/v2/ann/app/manifests/v1')
    expect((await pull(bearer(token))).status).toBe(200)
    await guarded.auth.accounts.changeUser('bob', { groups: [] })
    guarded.wait(MINUTE)
    expect((await pull(bearer(token))).status).toBe(403)
    expect((await pull(bearer(await guarded.tokenFor(BOB, 'repository:ann/app:pull')))).status).toBe(403)
    expect((await pull(BOB)).status).toBe(403)
  })
})

describe('a cache of deleted blobs (CVE-2026-35172)', () => {
  it('does not exist: a blob that one process deleted is missing in all', async () => {
    const [one, other] = [guarded, openRegistry({ table: guarded.table, store: guarded.store })]
    await other.expectStatus(200, 'HEAD', `/v2/ann/app/blobs/${BLOB}`)
    expect((await one.as(ANN, 'DELETE', `/v2/ann/app/blobs/${BLOB}`)).status).toBe(202)
    for (const method of ['HEAD', 'GET']) await other.expectStatus(404, method, `/v2/ann/app/blobs/${BLOB}`)
    await other.expectStatus(202, 'POST', `/v2/b/blobs/uploads/?mount=${BLOB}&from=ann/app`)
  })
})

describe('other accounts (CVE-2022-31666 to 31671, CVE-2024-22278)', () => {
  it.each([
    ['PATCH', '/api/users/root', '{"password":"bob is root now"}'],
    ['PATCH', '/api/users/bob', '{"admin":true}'],
    ['DELETE', '/api/users/root', ''],
    ['POST', '/api/users', '{"name":"eve","password":"correct horse","admin":true}'],
    ['POST', '/api/robots', '{"name":"r","grants":[{"may":["pull"],"on":["**"]}]}'],
    ['POST', '/api/robots/ci/key', ''],
    ['DELETE', '/api/robots/ci', ''],
    ['GET', '/api/users', ''],
    ['PUT', '/api/policy', '{"policy":{"rules":[]},"version":1}'],
  ])('cannot be read or changed by a user: %s %s', async (method, target, body) => {
    await guarded.auth.accounts.addRobot('ci', { grants: [{ may: ['pull'], on: ['**'] }] })
    for (const login of [ANN, BOB])
      expect((await guarded.as(login, method, target, { body })).status).toBe(403)
  })

  it('cannot be changed by the request that changes the password of the caller', async () => {
    const body = JSON.stringify({ password: 'another horse', name: 'root', admin: true })
    expect((await guarded.as(BOB, 'PUT', '/api/me/password', { body })).status).toBe(400)
    expect((await guarded.as(ROOT, 'GET', '/api/users')).status).toBe(200)
  })
})
