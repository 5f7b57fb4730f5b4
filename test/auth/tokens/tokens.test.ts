import { beforeEach, describe, expect, it } from 'vitest'
import { basic, bearer, type Guarded, PASSWORD } from '../../support/auth.ts'
import { allowsPull, decodeToken, HOUR, openWithAnn, SCOPE, tokenOfAnn } from './fixture.ts'

let guarded: Guarded
beforeEach(async () => {
  guarded = await openWithAnn()
})

describe('a token', () => {
  it('allows what its scope and the policy allow', async () => {
    expect(await allowsPull(guarded, await tokenOfAnn(guarded))).toBe(true)
  })

  it('has fewer than 600 characters and only the claims that are needed', async () => {
    const token = await tokenOfAnn(guarded)
    const { head, body } = decodeToken(token)
    expect(token.length).toBeLessThan(600)
    expect(head).toEqual({ alg: 'HS256', typ: 'JWT', kid: expect.stringMatching(/^[0-9a-f]{8}$/) })
    expect(Object.keys(body).sort()).toEqual([
      'access',
      'aud',
      'exp',
      'generation',
      'iat',
      'iss',
      'nbf',
      'sub',
    ])
    expect(body.access).toEqual([{ type: 'repository', name: 'app', actions: ['pull'] }])
  })

  it('has fewer than 5,000 characters for any number of requested scopes', async () => {
    await guarded.setPolicy({ rules: [{ name: 'ann', who: ['user:ann'], may: ['pull'], on: ['**'] }] })
    guarded.wait(60_000)
    const manyScopes = Array.from(
      { length: 49 },
      (_, i) => `repository:${'x'.repeat(250)}${i + 10}:pull,push`,
    )
    const token = await tokenOfAnn(guarded, SCOPE, ...manyScopes)

    expect(token.length).toBeLessThan(5_000)
    expect(await allowsPull(guarded, token)).toBe(true)
    const dropped = await guarded.as(bearer(token), 'GET', `/v2/${'x'.repeat(250)}58/tags/list`)
    expect([dropped.status, dropped.headers['www-authenticate']]).toEqual([
      401,
      expect.stringMatching(/scope="repository:x+58:pull",error="insufficient_scope"/),
    ])
  })

  it('is valid for one hour', async () => {
    const token = await tokenOfAnn(guarded)
    guarded.wait(HOUR - 1000)
    expect(await allowsPull(guarded, token)).toBe(true)
    guarded.wait(1000)
    expect(await allowsPull(guarded, token)).toBe(false)
  })

  it('is valid after a key rotation until its key is removed', async () => {
    const token = await tokenOfAnn(guarded)
    guarded.rotate()
    expect(await allowsPull(guarded, token)).toBe(true)
    guarded.rotate(false)
    expect(await allowsPull(guarded, token)).toBe(false)
  })

  it.each<[string, () => Promise<unknown>]>([
    ['the password was changed', () => guarded.auth.accounts.changeUser('ann', { password: 'another one' })],
    ['the account was disabled', () => guarded.auth.accounts.changeUser('ann', { disabled: true })],
    ['the account was removed', () => guarded.auth.accounts.remove('ann', 'user')],
    ['the policy was changed', () => guarded.setPolicy({ rules: [] })],
  ])('is invalid at most a minute after %s', async (_, change) => {
    const token = await tokenOfAnn(guarded)
    expect(await allowsPull(guarded, token)).toBe(true)
    await change()
    guarded.wait(60_000)
    expect(await allowsPull(guarded, token)).toBe(false)
  })

  it('stays invalid after a disabled account is enabled again', async () => {
    const token = await tokenOfAnn(guarded)
    await guarded.auth.accounts.changeUser('ann', { disabled: true })
    await guarded.auth.accounts.changeUser('ann', { disabled: false })
    guarded.wait(60_000)
    expect(await allowsPull(guarded, token)).toBe(false)
    expect(await allowsPull(guarded, await tokenOfAnn(guarded))).toBe(true)
  })

  it('of an administrator contains all requested scopes', async () => {
    const token = await guarded.tokenFor(basic('root', PASSWORD), 'repository:app:pull,push,delete')
    expect(decodeToken(token).body.access[0].actions).toEqual(['pull', 'push', 'delete'])
  })

  it('of a robot is invalid at most a minute after its key was renewed', async () => {
    const { key } = await guarded.auth.accounts.addRobot('ci', { grants: [{ may: ['pull'], on: ['app'] }] })
    const token = await guarded.tokenFor(basic('ci', key), SCOPE)
    expect(await allowsPull(guarded, token)).toBe(true)
    await guarded.auth.accounts.renewKey('ci')
    guarded.wait(60_000)
    expect(await allowsPull(guarded, token)).toBe(false)
  })
})
