import { describe, expect, it } from 'vitest'
import type { RepositoryName } from '../../lambda/protocol/name.ts'
import { keys, REPOSITORIES } from '../../lambda/store/keys.ts'
import { basic, bearer, openGuarded, PASSWORD } from '../support/auth.ts'

describe('an authorized request', () => {
  it.each(['Basic', 'Bearer'])(
    'reads accounts and the policy again only after a minute (%s)',
    async scheme => {
      const guarded = await openGuarded()
      const login = basic('root', PASSWORD)
      const authorization =
        scheme === 'Basic' ? login : bearer(await guarded.tokenFor(login, 'repository:app:pull'))
      const partitions: string[] = []
      const get = guarded.table.get.bind(guarded.table)
      guarded.table.get = key => {
        partitions.push(key.partition)
        return get(key)
      }
      const head = () => guarded.as(authorization, 'HEAD', '/v2/app/manifests/v1')
      await head()
      partitions.length = 0
      await head()
      expect(partitions).toEqual(['repository#app'])

      guarded.wait(60_000)
      partitions.length = 0
      await head()
      expect(new Set(partitions)).toEqual(new Set(['accounts', 'policy', 'repository#app']))
    },
  )

  it('follows a policy at once that the same process replaced', async () => {
    const guarded = await openGuarded()
    await guarded.addUser('ann')
    const ann = basic('ann', PASSWORD)
    const mayPull = { name: 'ann', who: ['user:ann'], may: ['pull'], on: ['**'] }
    const statuses: number[] = []
    for (const rules of [[], [mayPull], []]) {
      const { version } = await guarded.auth.policies.current()
      const body = JSON.stringify({ policy: { rules }, version })
      await guarded.as(basic('root', PASSWORD), 'PUT', '/api/policy', { body })
      statuses.push((await guarded.as(ann, 'GET', '/v2/app/tags/list')).status)
    }
    expect(statuses).toEqual([403, 404, 403])
  })
})

describe('the catalog', () => {
  it('reads a thousand repositories at once for a caller who may see few of them', async () => {
    const guarded = await openGuarded()
    await guarded.addUser('ann')
    await guarded.setPolicy({ rules: [{ name: 'ann', who: ['user:ann'], may: ['pull'], on: ['*z'] }] })
    const row = (name: string) => ({ ...keys.repository(name as RepositoryName), created: 1, updated: 1 })
    const names = [...Array.from({ length: 500 }, (_, i) => `a${i}`), 'z']
    for (const name of names) await guarded.table.transact({ put: row(name) })
    let queries = 0
    const query = guarded.table.query.bind(guarded.table)
    guarded.table.query = (partition, range) => {
      if (partition === REPOSITORIES) queries++
      return query(partition, range)
    }

    const { json } = await guarded.as(basic('ann', PASSWORD), 'GET', '/v2/_catalog?n=1')

    expect([json.repositories, queries]).toEqual([['z'], 2])
  })
})
