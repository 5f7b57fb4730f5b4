import { expect, it } from 'vitest'
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
