import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { basic, bearer, type Guarded, openGuarded, PASSWORD } from '../support/auth.ts'
import { digest } from '../support/content.ts'
import { runs } from '../support/property-runs.ts'

const HOUR = 60 * 60 * 1000
const ANN = basic('ann', PASSWORD)
const BOB = basic('bob', PASSWORD)
const UPLOADS = '/v2/app/blobs/uploads/'

let guarded: Guarded
let location: string
beforeEach(async () => {
  guarded = await openGuarded()
  for (const name of ['ann', 'bob']) await guarded.addUser(name)
  await guarded.setPolicy({
    rules: [{ name: 'both', who: ['user:*'], may: ['pull', 'push', 'create-tag'], on: ['app', 'lib'] }],
  })
  location = (await guarded.as(ANN, 'POST', UPLOADS)).headers.location ?? ''
})

const bare = () => location.split('?')[0] ?? ''

describe('an upload session of another account', () => {
  it.each(['GET', 'PATCH', 'PUT', 'DELETE'])('is unknown to %s', async method => {
    const response = await guarded.as(BOB, method, `${bare()}?digest=${digest('x')}`, { body: 'x' })
    expect([response.status, response.exchange.code]).toEqual([404, 'BLOB_UPLOAD_UNKNOWN'])
    expect((await guarded.as(ANN, 'GET', bare())).headers.range).toBe('0-0')
  })

  it('is unknown to an account whose name is a prefix of its owner’s name', async () => {
    await guarded.addUser('anna')
    const hers = (await guarded.as(basic('anna', PASSWORD), 'POST', UPLOADS)).headers.location ?? ''
    expect((await guarded.as(ANN, 'GET', hers.split('?')[0] ?? '')).status).toBe(404)
  })

  it('continues for its owner', async () => {
    expect((await guarded.as(ANN, 'PATCH', bare(), { body: 'layer' })).status).toBe(202)
    expect((await guarded.as(ANN, 'PUT', `${bare()}?digest=${digest('layer')}`)).status).toBe(201)
  })
})

describe('an upload token', () => {
  it('is accepted under the name that earlier versions gave it', async () => {
    const old = location.replace('_state=', 'proof=')
    expect(old).not.toBe(location)
    expect((await guarded.request('PATCH', old, { body: 'x' })).status).toBe(202)
  })

  it('authorizes the session when the access token beside it has expired', async () => {
    const token = await guarded.tokenFor(ANN, 'repository:app:pull,push')
    const begun = await guarded.as(bearer(token), 'POST', UPLOADS)
    guarded.wait(2 * HOUR)
    const patched = await guarded.as(bearer(token), 'PATCH', begun.headers.location ?? '', { body: 'layer' })
    expect(patched.status).toBe(202)
    const end = `${patched.headers.location}&digest=${encodeURIComponent(digest('layer'))}`
    expect((await guarded.as(bearer(token), 'PUT', end)).status).toBe(201)
  })

  it('expires after a day, like the session', async () => {
    guarded.wait(25 * HOUR)
    expect((await guarded.request('GET', location)).status).toBe(401)
  })

  it('is rejected when its expiry was altered', async () => {
    const later = location.replace(
      /_state=\d+/,
      state => `_state=${Number(state.slice('_state='.length)) + 86_400}`,
    )
    expect(later).not.toBe(location)
    expect((await guarded.request('GET', later)).status).toBe(401)
  })

  it('is accepted as long as the key that signed it is in the keyring', async () => {
    guarded.rotate()
    expect((await guarded.request('PATCH', location, { body: 'x' })).status).toBe(202)
    guarded.rotate(false)
    expect((await guarded.request('PATCH', location, { body: 'x' })).status).toBe(401)
  })

  it('is rejected for another session or repository', async () => {
    const other = (await guarded.as(ANN, 'POST', UPLOADS)).headers.location ?? ''
    const [state] = /_state=.*/.exec(location) ?? []
    for (const target of [`${other.split('?')[0]}?${state}`, `${bare().replace('/app/', '/lib/')}?${state}`])
      expect((await guarded.request('PATCH', target, { body: 'x' })).status).toBe(401)
  })

  it('authorizes no other route', async () => {
    const [state] = /_state=.*/.exec(location) ?? []
    for (const target of ['/v2/app/tags/list', `/v2/app/blobs/${digest('x')}`, UPLOADS, '/v2/'])
      expect((await guarded.request('GET', `${target}?${state}`)).status).not.toBe(200)
  })

  it('is rejected when the account was disabled or lost its push right', async () => {
    await guarded.auth.accounts.changeUser('ann', { disabled: true })
    guarded.wait(60_000)
    expect((await guarded.request('PATCH', location, { body: 'x' })).status).toBe(401)

    const bobs = (await guarded.as(BOB, 'POST', UPLOADS)).headers.location ?? ''
    await guarded.setPolicy({ rules: [] })
    guarded.wait(60_000)
    expect((await guarded.request('PATCH', bobs, { body: 'x' })).status).toBe(403)
  })

  it('is rejected when any byte of it was altered', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.constantFrom('A', '0', '.', '-'), async (at, other) => {
        const begin = location.indexOf('_state=') + '_state='.length
        const index = begin + (at % (location.length - begin))
        // Two bits of the last base64 character are unused, so changing it may not change the signature.
        fc.pre(location[index] !== other && index < location.length - 1)
        const altered = location.slice(0, index) + other + location.slice(index + 1)
        expect((await guarded.request('PATCH', altered, { body: 'x' })).status).toBe(401)
      }),
      { numRuns: runs(60) },
    )
  })
})

describe('a mount', () => {
  const mount = (login: Record<string, string>, from?: string) =>
    guarded.as(login, 'POST', `${UPLOADS}?mount=${digest('secret')}${from ? `&from=${from}` : ''}`)
  beforeEach(async () => {
    await guarded.as(basic('root', PASSWORD), 'POST', `/v2/vault/blobs/uploads/?digest=${digest('secret')}`, {
      body: 'secret',
    })
  })

  it('begins an upload when the client may not pull from the source', async () => {
    for (const from of ['vault', 'no-such', undefined]) {
      const { status, headers } = await mount(ANN, from)
      expect([status, headers.location?.startsWith(UPLOADS)]).toEqual([202, true])
    }
    expect((await guarded.as(ANN, 'HEAD', `/v2/app/blobs/${digest('secret')}`)).status).toBe(404)
  })

  it('without a source requires pull everywhere and no scoped token', async () => {
    const token = await guarded.tokenFor(basic('root', PASSWORD), 'repository:app:pull,push')
    expect((await mount(bearer(token))).status).toBe(202)
    expect((await mount(basic('root', PASSWORD))).status).toBe(201)
  })

  it('with a token requires the scope of the source too', async () => {
    await guarded.setPolicy({
      rules: [{ name: 'all', who: ['user:ann'], may: ['pull', 'push'], on: ['**'] }],
    })
    guarded.wait(60_000)
    const narrow = bearer(await guarded.tokenFor(ANN, 'repository:app:pull,push'))
    const wide = bearer(await guarded.tokenFor(ANN, 'repository:app:pull,push', 'repository:vault:pull'))
    expect((await mount(narrow, 'vault')).status).toBe(401)
    expect((await mount(wide, 'vault')).status).toBe(201)
  })
})
