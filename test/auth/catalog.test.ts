import fc from 'fast-check'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { ANONYMOUS } from '../../lambda/auth/identity/subject.ts'
import { decide, parsePolicy, pullFilter } from '../../lambda/auth/policy/policy.ts'
import type { RepositoryName } from '../../lambda/protocol/name.ts'
import { keys } from '../../lambda/store/keys.ts'
import { basic, bearer, type Guarded, openGuarded, PASSWORD } from '../support/auth.ts'

const CATALOG = '/v2/_catalog'
const pull = (...on: string[]) => ({ rules: [{ name: 'r', who: ['anonymous'], may: ['pull'], on }] })

let guarded: Guarded
beforeEach(async () => {
  guarded = await openGuarded()
  await addRepositories(['private/app', 'public/app', 'public/web'])
})

async function addRepositories(names: readonly string[]): Promise<void> {
  const rows = names.map(name => ({ ...keys.repository(name as RepositoryName), created: 1, updated: 1 }))
  for (let i = 0; i < rows.length; i += 100)
    await guarded.table.transact(...rows.slice(i, i + 100).map(put => ({ put })))
}

describe('the catalog for a caller without a login', () => {
  const list = async () =>
    guarded.as(bearer(await guarded.tokenFor({}, 'registry:catalog:*')), 'GET', CATALOG)

  it('is refused with a challenge if anonymous callers may pull nothing', async () => {
    const { status, headers } = await list()
    expect(status).toBe(401)
    expect(headers['www-authenticate']).toContain('scope="registry:catalog:*"')
  })

  it('is refused if anonymous callers may push but not pull', async () => {
    const rule = { name: 'r', who: ['anonymous'], may: ['push'], on: ['**'] }
    await guarded.setPolicy({ rules: [rule] })
    expect((await list()).status).toBe(401)
  })

  it('lists what anonymous callers may pull', async () => {
    await guarded.setPolicy(pull('public/**'))
    expect((await list()).json.repositories).toEqual(['public/app', 'public/web'])
  })
})

describe('the catalog', () => {
  it('is empty for a user who may pull nothing, and reads no row', async () => {
    await guarded.addUser('ann')
    const query = vi.spyOn(guarded.table, 'query')
    const { status, json } = await guarded.as(basic('ann', PASSWORD), 'GET', CATALOG)
    expect([status, json]).toEqual([200, { repositories: [] }])
    expect(query.mock.calls.filter(([partition]) => partition === 'repositories')).toEqual([])
  })

  it('reads only names with the literal prefixes of the patterns of the caller', async () => {
    await guarded.setPolicy(pull('zoo/**', 'public/a*', 'public/ab*'))
    await guarded.addUser('ann')
    const query = vi.spyOn(guarded.table, 'query')
    const { json } = await guarded.as(basic('ann', PASSWORD), 'GET', CATALOG)
    expect(json.repositories).toEqual(['public/app'])
    const ranges = query.mock.calls.filter(([partition]) => partition === 'repositories')
    expect(ranges.map(([, range]) => range?.prefix)).toEqual(['public/a', 'zoo/'])
  })

  it('is in ASCII order across the prefixes, for each page size', async () => {
    const names = ['ab/x', 'ab/y', 'cd', 'ef/x', 'ef/y', 'ef/z']
    await addRepositories([...names, 'bb/no', 'zz'])
    await guarded.setPolicy(pull('ef/*', 'cd', 'ab/*'))
    await guarded.addUser('ann')
    for (let n = 1; n <= names.length; n++) {
      const listed: string[] = []
      for (let more = true; more; ) {
        const last = listed.at(-1)
        const query = `?n=${n}${last ? `&last=${last}` : ''}`
        const { json, headers } = await guarded.as(basic('ann', PASSWORD), 'GET', CATALOG + query)
        listed.push(...(json.repositories ?? []))
        more = headers.link !== undefined
      }
      expect(listed).toEqual(names)
    }
  })

  it('lets other requests run while it compares many names with many patterns', async () => {
    await addRepositories(Array.from({ length: 900 }, (_, i) => `many/a${i}`))
    await guarded.setPolicy(pull(...Array.from({ length: 100 }, (_, i) => `*/b*${i}`)))
    await guarded.addUser('ann')
    await guarded.as(basic('ann', PASSWORD), 'GET', '/v2/')
    let turns = 0
    let isDone = false
    const count = () => {
      if (isDone) return
      turns++
      setImmediate(count)
    }
    setImmediate(count)
    await guarded.as(basic('ann', PASSWORD), 'GET', CATALOG)
    isDone = true
    expect(turns).toBeGreaterThanOrEqual((900 * 100) / 20_000 - 1)
  })
})

it('the filter of a listing agrees with the decisions of the policy, for each policy', () => {
  const part = fc.constantFrom('a', 'b', '/', '*', '**')
  const pattern = fc.array(part, { minLength: 1, maxLength: 5 }).map(parts => parts.join(''))
  const name = fc.stringMatching(/^[ab]+(\/[ab]+){0,2}$/)
  const rule = fc.record({
    name: fc.constant('r'),
    who: fc.constantFrom(['anonymous'], ['authenticated']),
    may: fc.constantFrom(['pull'], ['push']),
    on: fc.array(pattern, { minLength: 1, maxLength: 3 }),
  })
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 4 }), name, (rules, repository) => {
      const policy = parsePolicy({ rules })
      const { includes, prefixes } = pullFilter(policy, ANONYMOUS)
      const { allowed } = decide(policy, ANONYMOUS, { action: 'pull', repository })
      expect(includes(repository)).toBe(allowed)
      expect(!allowed || prefixes.some(prefix => repository.startsWith(prefix))).toBe(true)
    }),
  )
})
