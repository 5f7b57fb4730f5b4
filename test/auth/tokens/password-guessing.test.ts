import { beforeEach, describe, expect, it } from 'vitest'
import { basic, type Guarded, PASSWORD } from '../../support/auth.ts'
import { openWithAnn } from './fixture.ts'

let guarded: Guarded
beforeEach(async () => {
  guarded = await openWithAnn()
})

describe('a client that guesses passwords', () => {
  const guess = (name: string, password = 'wrong password') =>
    guarded.as(basic(name, password), 'GET', '/v2/')

  it('gets 429 with Retry-After after ten wrong passwords for a name', async () => {
    for (let i = 0; i < 10; i++) expect((await guess('ann', `wrong ${i}`)).status).toBe(401)
    const limited = await guess('ann', PASSWORD)
    expect([limited.status, limited.code]).toEqual([429, 'TOOMANYREQUESTS'])
    expect(Number(limited.headers['retry-after'])).toBeGreaterThan(200)

    guarded.wait(5 * 60_000)
    expect((await guess('ann', PASSWORD)).status).toBe(200)
  })

  it('is not limited if it repeats the same wrong password', async () => {
    for (let i = 0; i < 50; i++) await guess('ann', 'the password of last year')
    expect((await guess('ann', PASSWORD)).status).toBe(200)
  })

  it('gets 429 after a hundred wrong passwords for different names', async () => {
    const codes = new Set<number>()
    for (let i = 0; i < 101; i++) {
      await guarded.addUser(`name-${i}`) // users of the tests have password hashes that are cheap to compute
      codes.add((await guess(`name-${i}`, `wrong ${i}`)).status)
    }
    expect(codes).toEqual(new Set([401, 429]))
  })

  it('does not limit logins from another address', async () => {
    for (let i = 0; i < 11; i++) await guess('root', `wrong ${i}`)
    const elsewhere = await guarded.auth.authorize(
      {
        method: 'GET',
        path: '/v2/',
        query: new URLSearchParams(),
        headers: basic('root', PASSWORD),
        remote: '198.51.100.9',
        body: (async function* () {})(),
      },
      { action: 'ping', params: {} },
    )
    expect(elsewhere.subject).toMatchObject({ name: 'root' })
  })
})
