import { expect, it } from 'vitest'
import type { RepositoryName } from '../../lambda/protocol/name.ts'
import { keys, REPOSITORIES } from '../../lambda/store/keys.ts'
import { basic, bearer, openGuarded, PASSWORD } from '../support/auth.ts'

it.each(['Basic', 'Bearer'])(
  'asks the table nothing more, once it knows who it is and what he may (%s)',
  async scheme => {
    const guarded = await openGuarded()
    const login = basic('root', PASSWORD)
    const shown = scheme === 'Basic' ? login : bearer(await guarded.tokenFor(login, 'repository:app:pull'))
    const reads: string[] = []
    const get = guarded.table.get.bind(guarded.table)
    guarded.table.get = key => {
      reads.push(key.partition)
      return get(key)
    }
    const head = () => guarded.as(shown, 'HEAD', '/v2/app/manifests/v1')
    await head()
    reads.length = 0
    await head()
    expect(reads).toEqual(['repository#app'])

    guarded.wait(60_000)
    reads.length = 0
    await head()
    expect(new Set(reads)).toEqual(new Set(['accounts', 'policy', 'repository#app']))
  },
)

it('asks the table for a thousand repositories at once, where few of them are shown to who asks', async () => {
  const guarded = await openGuarded()
  await guarded.addUser('ann')
  await guarded.setPolicy({ rules: [{ name: 'ann', who: ['user:ann'], may: ['pull'], on: ['*z'] }] })
  const row = (name: string) => ({ ...keys.repository(name as RepositoryName), created: 1, updated: 1 })
  const names = [...Array.from({ length: 500 }, (_, i) => `a${i}`), 'z']
  for (const name of names) await guarded.table.transact({ put: row(name) })
  let asked = 0
  const query = guarded.table.query.bind(guarded.table)
  guarded.table.query = (partition, range) => {
    if (partition === REPOSITORIES) asked++
    return query(partition, range)
  }

  const { json } = await guarded.as(basic('ann', PASSWORD), 'GET', '/v2/_catalog?n=1')
  expect([json.repositories, asked]).toEqual([['z'], 2])
})
