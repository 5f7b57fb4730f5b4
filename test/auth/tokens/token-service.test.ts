import { beforeEach, describe, expect, it } from 'vitest'
import type { RefreshRow } from '../../../lambda/store/records.ts'
import { basic, bearer, type Guarded, openGuarded, PASSWORD } from '../../support/auth.ts'
import { allowsPull, decodeToken, HOUR, openWithAnn, SCOPE, tokenOfAnn } from './fixture.ts'

let guarded: Guarded
beforeEach(async () => {
  guarded = await openWithAnn()
})

describe('the token service', () => {
  const form = (fields: Record<string, string>) => ({
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(fields).toString(),
  })

  it('answers GET with Basic credentials, as Docker, containers/image and crane send it', async () => {
    const target = `/token?account=ann&client_id=docker&offline_token=true&scope=${encodeURIComponent(SCOPE)}&service=registry.example`
    const response = await guarded.as(basic('ann', PASSWORD), 'GET', target)
    const body = response.json as Record<string, unknown>
    expect(response.status).toBe(200)
    expect(body).toEqual({
      token: body.access_token,
      access_token: expect.stringMatching(/^ey/),
      expires_in: 3600,
      issued_at: new Date(guarded.now()).toISOString(),
      refresh_token: expect.stringMatching(/^lsr_/),
    })
    expect(response.headers['cache-control']).toBe('no-store')
  })

  it('answers POST with a form as containerd and BuildKit send it', async () => {
    const fields = {
      grant_type: 'password',
      username: 'ann',
      password: PASSWORD,
      service: 'registry.example',
      client_id: 'containerd-client',
      scope: SCOPE,
    }
    const { json } = await guarded.expectStatus(200, 'POST', '/token', form(fields))
    expect(await allowsPull(guarded, (json as { access_token: string }).access_token)).toBe(true)
  })

  it('issues one token for several repositories, as a mount needs', async () => {
    await guarded.setPolicy({
      rules: [{ name: 'all', who: ['authenticated'], may: ['pull', 'push'], on: ['**'] }],
    })
    for (const scopes of [[SCOPE, 'repository:base:pull'], [`${SCOPE} repository:base:pull`]]) {
      const { access } = decodeToken(await tokenOfAnn(guarded, ...scopes)).body
      expect(access.map(({ name }: { name: string }) => name)).toEqual(['app', 'base'])
    }
  })

  it('marks a token for the edge if it allows a push', async () => {
    const behindEdge = await openGuarded({ edgeMark: () => '1.mark' })
    const headerFor = async (login: Record<string, string>, scope: string) =>
      decodeToken(await behindEdge.tokenFor(login, scope)).head

    const root = basic('root', PASSWORD)
    expect(await headerFor(root, SCOPE)).toMatchObject({ edge: '1.mark' })
    expect(await headerFor(root, 'repository:app:pull')).not.toHaveProperty('edge')
    expect(await headerFor({}, SCOPE)).not.toHaveProperty('edge')
    expect(decodeToken(await tokenOfAnn(guarded, SCOPE)).head).not.toHaveProperty('edge')
  })

  it('issues an anonymous token for what anonymous callers may do', async () => {
    await guarded.setPolicy({ rules: [{ name: 'open', who: ['anonymous'], may: ['pull'], on: ['app'] }] })
    const token = await guarded.tokenFor({}, SCOPE, 'registry:catalog:*')
    expect(decodeToken(token).body.access).toEqual([{ type: 'repository', name: 'app', actions: ['pull'] }])
    expect(await allowsPull(guarded, token)).toBe(true)
    expect((await guarded.as(bearer(token), 'POST', '/v2/app/blobs/uploads/')).status).toBe(401)
  })

  it('accepts a refresh token until the account is changed', async () => {
    const { json } = await guarded.as(basic('ann', PASSWORD), 'GET', '/token?offline_token=true')
    const refresh = {
      grant_type: 'refresh_token',
      refresh_token: (json as { refresh_token: string }).refresh_token,
      scope: SCOPE,
    }
    guarded.wait(24 * HOUR)
    const renewed = await guarded.expectStatus(200, 'POST', '/token', form(refresh))
    expect(await allowsPull(guarded, (renewed.json as { token: string }).token)).toBe(true)

    await guarded.auth.accounts.changeUser('ann', { password: 'another one' })
    guarded.wait(60_000)
    expect((await guarded.request('POST', '/token', form(refresh))).status).toBe(401)
  })

  it('removes expired refresh tokens at later logins', async () => {
    const logIn = () => guarded.as(basic('ann', PASSWORD), 'GET', '/token?offline_token=true')
    for (let i = 0; i < 20; i++) await logIn()
    guarded.wait(91 * 24 * HOUR)
    for (let i = 0; i < 200; i++) await logIn()
    const rows = await guarded.table.query<RefreshRow>('refresh')
    const expired = rows.filter(({ expires }) => expires <= guarded.now())
    expect(rows.length - expired.length).toBe(200)
    // The position of new rows is random, so the first of the old rows may not have been reached yet.
    expect(expired.length).toBeLessThan(4)
  })

  it('accepts a refresh token for ninety days', async () => {
    const { json } = await guarded.as(basic('ann', PASSWORD), 'GET', '/token?offline_token=true')
    const { refresh_token } = json as { refresh_token: string }
    const renew = () =>
      guarded.request('POST', '/token', form({ grant_type: 'refresh_token', refresh_token }))
    guarded.wait(90 * 24 * HOUR - 1)
    expect((await renew()).status).toBe(200)
    guarded.wait(1)
    expect((await renew()).status).toBe(401)
  })

  it('issues a refresh token only on request', async () => {
    const plain = await guarded.as(basic('ann', PASSWORD), 'GET', '/token')
    const login = form({ grant_type: 'password', username: 'ann', password: PASSWORD })
    const posted = await guarded.expectStatus(200, 'POST', '/token', login)
    for (const { json } of [plain, posted]) expect(json).not.toHaveProperty('refresh_token')
  })

  it.each([
    ['a wrong password', () => guarded.as(basic('ann', 'wrong password'), 'GET', '/token')],
    ['an unknown name', () => guarded.as(basic('who', PASSWORD), 'GET', '/token')],
    ['no password', () => guarded.as({ authorization: 'Basic YW5u' }, 'GET', '/token')],
    ['a token instead of a password', () => guarded.as(bearer('x'), 'GET', '/token')],
    [
      'a wrong refresh token',
      () => guarded.request('POST', '/token', form({ grant_type: 'refresh_token', refresh_token: 'lsr_x' })),
    ],
    [
      'a form with a wrong password',
      () =>
        guarded.request('POST', '/token', form({ grant_type: 'password', username: 'ann', password: 'x' })),
    ],
  ])('rejects %s with 401', async (_, send) => {
    const { status, code } = await send()
    expect([status, code]).toEqual([401, 'UNAUTHORIZED'])
  })

  it('rejects an unknown grant type with 400', async () => {
    expect((await guarded.request('POST', '/token', form({ grant_type: 'code' }))).status).toBe(400)
  })
})
