import { beforeEach, describe, expect, it } from 'vitest'
import { basic, bearer, type Guarded, openGuarded, PASSWORD } from '../../support/auth.ts'

const MINUTE = 60_000
const ANN = basic('ann', PASSWORD)

let guarded: Guarded
beforeEach(async () => {
  guarded = await openGuarded()
  await guarded.addUser('ann')
  await guarded.setPolicy({ rules: [{ name: 'ann', who: ['user:ann'], may: ['pull', 'push'], on: ['app'] }] })
})

/** Removes the account ann and adds another one with its name. */
async function replaceAnn(): Promise<void> {
  await guarded.auth.accounts.remove('ann', 'user')
  await guarded.addUser('ann')
  guarded.wait(MINUTE)
}

it('a new password is valid at once, although the account is cached', async () => {
  const token = await guarded.tokenFor(ANN, 'repository:app:pull')
  const pull = (token: string) => guarded.as(bearer(token), 'GET', '/v2/app/tags/list')
  expect((await pull(token)).status).toBe(404)
  await guarded.auth.accounts.changeUser('ann', { password: 'another horse' })
  const newToken = await guarded.tokenFor(basic('ann', 'another horse'), 'repository:app:pull')
  expect((await pull(newToken)).status).toBe(404)
  expect((await pull(token)).status).toBe(401)
})

describe('a new account with the name of a removed one', () => {
  it('does not get the tokens of the removed one', async () => {
    const token = await guarded.tokenFor(ANN, 'repository:app:pull')
    await replaceAnn()
    expect((await guarded.as(bearer(token), 'GET', '/v2/app/tags/list')).status).toBe(401)
    expect((await guarded.as(ANN, 'GET', '/v2/app/tags/list')).status).toBe(404)
  })

  it('does not get the refresh tokens of the removed one', async () => {
    const { text } = await guarded.as(ANN, 'GET', '/token?offline_token=true')
    const { refresh_token } = JSON.parse(text)
    await replaceAnn()
    const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token }).toString()
    expect((await guarded.request('POST', '/token', { body })).status).toBe(401)
  })

  it('does not get the upload tokens of the removed one', async () => {
    const { headers } = await guarded.as(ANN, 'POST', '/v2/app/blobs/uploads/')
    await replaceAnn()
    const location = headers.location?.replace('https://registry.example', '') ?? ''
    expect((await guarded.request('PATCH', location, { body: 'x' })).status).toBe(401)
  })
})

it('a new user with an unknown field is rejected', async () => {
  const body = JSON.stringify({ name: 'bob', password: PASSWORD, disabled: true })
  const response = await guarded.as(basic('root', PASSWORD), 'POST', '/api/users', { body })
  expect([response.status, response.json.errors?.[0]?.message]).toEqual([400, 'disabled: unknown field'])
})

it('accounts require the right to administer every repository', async () => {
  const rule = { name: 'lead', who: ['user:ann'], may: ['administer'] }
  await guarded.setPolicy({ rules: [{ ...rule, on: ['app', 'lib/**'] }] })
  expect((await guarded.as(ANN, 'GET', '/api/users')).status).toBe(403)
  await guarded.setPolicy({ rules: [{ ...rule, on: ['**'] }] })
  guarded.wait(MINUTE)
  expect((await guarded.as(ANN, 'GET', '/api/users')).status).toBe(200)
})

it.each([7, 257])('a password of %i characters is rejected', async length => {
  const add = guarded.auth.accounts.addUser('bob', { password: 'x'.repeat(length) })
  await expect(add).rejects.toThrow('a password must have 8 to 256 characters')
})

describe('a policy', () => {
  const put = (policy: unknown, version: number) =>
    guarded.as(basic('root', PASSWORD), 'PUT', '/api/policy', { body: JSON.stringify({ policy, version }) })

  it('replaces only the version that the request names', async () => {
    expect((await put({ rules: [] }, 1)).json).toMatchObject({ version: 2 })
    for (const version of [0, 1, 3])
      expect((await put({ rules: [] }, version)).json.errors?.[0]?.message).toBe(
        `version ${version} is not the current version of the policy: read the policy again`,
      )
  })

  it('is rejected if it is too long for an item of DynamoDB', async () => {
    const rule = { name: 'x', who: ['user:ann'], may: ['pull'], on: Array(100).fill('x'.repeat(200)) }
    const response = await put({ rules: Array(20).fill(rule) }, 1)
    expect([response.status, response.json.errors?.[0]?.message]).toEqual([
      400,
      'the policy is too long: it must have at most 300000 characters as JSON',
    ])
  })
})

it('the last use of an account is written at most once an hour', async () => {
  let updates = 0
  const transact = guarded.table.transact.bind(guarded.table)
  guarded.table.transact = (...writes) => {
    updates++
    return transact(...writes)
  }
  for (let minute = 0; minute < 120; minute += 2) {
    await guarded.as(ANN, 'GET', '/v2/')
    guarded.wait(2 * MINUTE)
  }
  expect(updates).toBe(2)
})

it('the new key of a robot has the expiry of the old one by default', async () => {
  const grants = [{ may: ['pull'], on: ['app'] }]
  const { expires } = await guarded.auth.accounts.addRobot('ci', { grants, expires: guarded.now() + MINUTE })
  const response = await guarded.as(basic('root', PASSWORD), 'POST', '/api/robots/ci/key')
  expect([response.status, response.json]).toEqual([200, expect.objectContaining({ expires })])
})

it('a response with the key of a robot must not be stored by caches', async () => {
  const root = basic('root', PASSWORD)
  const robot = { name: 'ci', grants: [{ may: ['pull'], on: ['app'] }] }
  const added = await guarded.as(root, 'POST', '/api/robots', { body: JSON.stringify(robot) })
  const renewed = await guarded.as(root, 'POST', '/api/robots/ci/key')
  for (const { headers, text } of [added, renewed]) {
    expect(text).toMatch(/lsk_/)
    expect(headers['cache-control']).toBe('no-store')
  }
})
