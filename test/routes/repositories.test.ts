import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { repositoryName } from '../support/arbitraries.ts'
import { digest, imageOf, indexOf } from '../support/content.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { runs } from '../support/property-runs.ts'
import { openRegistry, type TestRegistry } from '../support/registry.ts'

const CATALOG = '/v2/_catalog'

let registry: TestRegistry
beforeEach(() => {
  registry = openRegistry()
})

const pushTo = async (...names: string[]) => {
  for (const name of names) await registry.pushManifest(name, 'latest', indexOf([]))
}

it('of an empty registry is an empty list', async () => {
  const answer = await registry.expectStatus(200, 'GET', CATALOG)
  expect(answer.text).toBe('{"repositories":[]}')
  expect(answer.headers['content-type']).toBe('application/json')
})

it('lists repositories in ASCII order, also those whose names begin alike', async () => {
  const names = ['a', 'a-b', 'a.b', 'a/b', 'a/b/c', 'a0', 'a_b', 'b']
  await pushTo(...[...names].reverse())
  expect((await registry.get(CATALOG)).json.repositories).toEqual(names)
  for (const [i, last] of names.entries())
    expect((await registry.get(`${CATALOG}?last=${last}`)).json.repositories).toEqual(names.slice(i + 1))
})

it('lists a repository once, however often it is pushed to', async () => {
  await pushTo('a', 'a')
  registry.wait(2 * 60 * 60 * 1000)
  await pushTo('a')
  expect((await registry.get(CATALOG)).json.repositories).toEqual(['a'])
})

it('lists a repository that was pushed to by digest alone', async () => {
  await registry.pushManifest('a', digest(indexOf([])), indexOf([]))
  expect((await registry.get(CATALOG)).json.repositories).toEqual(['a'])
})

it('takes nothing but GET', async () => {
  expect((await registry.expectStatus(405, 'POST', CATALOG)).headers.allow).toBe('GET')
})

describe('a page', () => {
  beforeEach(() => pushTo('a', 'b', 'c'))

  it.each([
    ['?n=2', ['a', 'b'], 'n=2&last=b'],
    ['?n=2&last=b', ['c'], undefined],
    ['?n=3', ['a', 'b', 'c'], undefined],
    ['?last=c', [], undefined],
    ['?last=aa', ['b', 'c'], undefined],
    ['?n=0', [], undefined],
    ['?n=99999999999999999999', ['a', 'b', 'c'], undefined],
    ['?n=-5', ['a', 'b', 'c'], undefined],
    ['?n=all', ['a', 'b', 'c'], undefined],
    ['?last=%00', ['a', 'b', 'c'], undefined],
  ])('%s is %j, and the next is %s (CVE-2023-2253)', async (query, names, next) => {
    const { json, headers } = await registry.expectStatus(200, 'GET', CATALOG + query)
    expect(json.repositories).toEqual(names)
    expect(headers.link).toBe(next && `<${CATALOG}?${next}>; rel="next"`)
  })

  it('links with the public origin where there is one, and escapes the name', async () => {
    registry = openRegistry({ origin: 'https://registry.example' })
    await pushTo('a/b', 'a/c')
    const { headers } = await registry.get(`${CATALOG}?n=1`)
    expect(headers.link).toBe('<https://registry.example/v2/_catalog?n=1&last=a%2Fb>; rel="next"')
  })
})

it('has pages that, followed to the end, hold every repository once and in order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(repositoryName, { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 1, max: 9 }),
      async (names, n) => {
        registry = openRegistry()
        await pushTo(...names)
        const listed: string[] = []
        for await (const { json } of registry.pages(`${CATALOG}?n=${n}`))
          listed.push(...(json.repositories ?? []))
        expect(listed).toEqual([...names].sort())
      },
    ),
    { numRuns: runs(50) },
  )
})

describe('removing a repository', () => {
  const remove = (name: string) => registry.request('DELETE', `/api/repositories/${name}`)
  const catalog = async () => (await registry.get(CATALOG)).json.repositories
  const push = (name: string, tag: string, content = imageOf(['layer'])) =>
    registry.pushManifest(name, tag, content)
  beforeEach(async () => {
    for (const name of ['a', 'a/b']) for (const blob of ['{}', 'layer']) await registry.pushBlob(name, blob)
  })

  it('takes its tags and manifests, and leaves its neighbours', async () => {
    for (const name of ['a', 'a/b']) await push(name, 'v1')
    expect((await remove('a')).json).toEqual({ removed: 1, more: false })
    expect(await catalog()).toEqual(['a/b'])
    await registry.expectStatus(404, 'GET', '/v2/a/manifests/v1')
    await registry.expectStatus(404, 'GET', `/v2/a/manifests/${digest(imageOf(['layer']))}`)
    expect((await registry.expectStatus(404, 'GET', '/v2/a/tags/list')).exchange.code).toBe('NAME_UNKNOWN')
    await registry.expectStatus(200, 'GET', '/v2/a/b/manifests/v1')
    await registry.expectStatus(200, 'GET', `/v2/a/b/blobs/${digest('layer')}`)
  })

  it('is done at once where it is just not too much', async () => {
    for (let i = 0; i < 50; i++) await push('a', `v${i}`, indexOf([], { annotations: { number: String(i) } }))
    expect((await remove('a')).json).toEqual({ removed: 50, more: false })
  })

  it('goes on where it was too much for once', async () => {
    for (let i = 0; i < 60; i++) await push('a', `v${i}`, indexOf([], { annotations: { number: String(i) } }))
    expect((await remove('a')).json).toEqual({ removed: 50, more: true })
    expect(await catalog()).toEqual(['a'])
    expect((await remove('a')).json).toEqual({ removed: 10, more: false })
    expect(await catalog()).toEqual([])
  })

  it('is not there to be removed again, nor if it never was', async () => {
    await push('a', 'v1')
    await remove('a')
    for (const name of ['a', 'never'])
      expect((await registry.expectStatus(404, 'DELETE', `/api/repositories/${name}`)).exchange.code).toBe(
        'NAME_UNKNOWN',
      )
  })

  it('is undone by the next push', async () => {
    await push('a', 'v1')
    await remove('a')
    await push('a', 'v2')
    expect(await catalog()).toEqual(['a'])
    expect((await registry.get('/v2/a/tags/list')).json.tags).toEqual(['v2'])
  })

  it('hides nothing of a push that has read before what it writes after', async () => {
    const table = new MemoryTable()
    const held = Promise.withResolvers<void>()
    const reached = Promise.withResolvers<void>()
    let holds = false
    const transact = table.transact.bind(table)
    table.transact = async (...writes) => {
      if (holds) {
        holds = false
        reached.resolve()
        await held.promise
      }
      return transact(...writes)
    }
    registry = openRegistry({ table })
    await push('a', 'v1', indexOf([]))

    holds = true
    const pushed = push('a', 'v2', indexOf([], { annotations: { second: 'yes' } }))
    await reached.promise
    await remove('a')
    expect(await catalog()).toEqual([])
    held.resolve()
    await pushed
    expect(await catalog()).toEqual(['a'])
  })
})
