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

/** Somebody else comes to have the name. */
async function succeed(): Promise<void> {
  await guarded.auth.accounts.remove('ann', 'user')
  await guarded.addUser('ann')
  guarded.wait(MINUTE)
}

it('logs in by a new password at once, also where the old one is remembered', async () => {
  const token = await guarded.tokenFor(ANN, 'repository:app:pull')
  const pull = (token: string) => guarded.as(bearer(token), 'GET', '/v2/app/tags/list')
  expect((await pull(token)).status).toBe(404)
  await guarded.auth.accounts.changeUser('ann', { password: 'another horse' })
  const fresh = await guarded.tokenFor(basic('ann', 'another horse'), 'repository:app:pull')
  expect((await pull(fresh)).status).toBe(404)
  expect((await pull(token)).status).toBe(401)
})

describe('an account of the same name as one that is gone', () => {
  it('is not who an old token names', async () => {
    const token = await guarded.tokenFor(ANN, 'repository:app:pull')
    await succeed()
    expect((await guarded.as(bearer(token), 'GET', '/v2/app/tags/list')).status).toBe(401)
    expect((await guarded.as(ANN, 'GET', '/v2/app/tags/list')).status).toBe(404)
  })

  it('is not who an old login can be renewed as', async () => {
    const { text } = await guarded.as(ANN, 'GET', '/token?offline_token=true')
    const { refresh_token } = JSON.parse(text)
    await succeed()
    const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token }).toString()
    expect((await guarded.request('POST', '/token', { body })).status).toBe(401)
  })

  it('is not who an old upload URL is the proof of', async () => {
    const { headers } = await guarded.as(ANN, 'POST', '/v2/app/blobs/uploads/')
    await succeed()
    const location = headers.location?.replace('https://registry.example', '') ?? ''
    expect((await guarded.request('PATCH', location, { body: 'x' })).status).toBe(401)
  })
})

it('is not made with a part that new accounts do not have, which would be left out', async () => {
  const body = JSON.stringify({ name: 'bob', password: PASSWORD, disabled: true })
  const answer = await guarded.as(basic('root', PASSWORD), 'POST', '/api/users', { body })
  expect([answer.status, answer.json.errors?.[0]?.message]).toEqual([400, 'disabled: unknown field'])
})

it('are for those alone who may administer every repository', async () => {
  const rule = { name: 'lead', who: ['user:ann'], may: ['administer'] }
  await guarded.setPolicy({ rules: [{ ...rule, on: ['app', 'lib/**'] }] })
  expect((await guarded.as(ANN, 'GET', '/api/users')).status).toBe(403)
  await guarded.setPolicy({ rules: [{ ...rule, on: ['**'] }] })
  guarded.wait(MINUTE)
  expect((await guarded.as(ANN, 'GET', '/api/users')).status).toBe(200)
})

it.each([7, 257])('are not made with a password of %i characters', async length => {
  const add = guarded.auth.accounts.addUser('bob', { password: 'x'.repeat(length) })
  await expect(add).rejects.toThrow('a password must have 8 to 256 characters')
})

describe('a policy', () => {
  const put = (policy: unknown, version: number) =>
    guarded.as(basic('root', PASSWORD), 'PUT', '/api/policy', { body: JSON.stringify({ policy, version }) })

  it('takes the place of the one alone that it was made from', async () => {
    expect((await put({ rules: [] }, 1)).json).toMatchObject({ version: 2 })
    for (const version of [0, 1, 3])
      expect((await put({ rules: [] }, version)).json.errors?.[0]?.message).toBe(
        `version ${version} is not the current version of the policy: read the policy again`,
      )
  })

  it('fits into a row of DynamoDB', async () => {
    const rule = { name: 'x', who: ['user:ann'], may: ['pull'], on: Array(100).fill('x'.repeat(200)) }
    const answer = await put({ rules: Array(20).fill(rule) }, 1)
    expect([answer.status, answer.json.errors?.[0]?.message]).toEqual([
      400,
      'the policy is too long: it must have at most 300000 characters as JSON',
    ])
  })
})

it('is noted to have been used once an hour', async () => {
  let noted = 0
  const transact = guarded.table.transact.bind(guarded.table)
  guarded.table.transact = (...writes) => {
    noted++
    return transact(...writes)
  }
  for (let minute = 0; minute < 120; minute += 2) {
    await guarded.as(ANN, 'GET', '/v2/')
    guarded.wait(2 * MINUTE)
  }
  expect(noted).toBe(2)
})

it('renews the key of a robot without a word of when it shall expire', async () => {
  const grants = [{ may: ['pull'], on: ['app'] }]
  const { expires } = await guarded.auth.accounts.addRobot('ci', { grants, expires: guarded.now() + MINUTE })
  const answer = await guarded.as(basic('root', PASSWORD), 'POST', '/api/robots/ci/key')
  expect([answer.status, answer.json]).toEqual([200, expect.objectContaining({ expires })])
})

it('shows the key of a robot to nobody but who asked for it, and to no cache', async () => {
  const root = basic('root', PASSWORD)
  const robot = { name: 'ci', grants: [{ may: ['pull'], on: ['app'] }] }
  const made = await guarded.as(root, 'POST', '/api/robots', { body: JSON.stringify(robot) })
  const renewed = await guarded.as(root, 'POST', '/api/robots/ci/key')
  for (const { headers, text } of [made, renewed]) {
    expect(text).toMatch(/lsk_/)
    expect(headers['cache-control']).toBe('no-store')
  }
})
