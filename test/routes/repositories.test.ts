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

it('the catalog of an empty registry is an empty list', async () => {
  const response = await registry.expectStatus(200, 'GET', CATALOG)
  expect(response.text).toBe('{"repositories":[]}')
  expect(response.headers['content-type']).toBe('application/json')
})

it('the catalog lists repositories in ASCII order, also names with a common prefix', async () => {
  const names = ['a', 'a-b', 'a.b', 'a/b', 'a/b/c', 'a0', 'a_b', 'b']
  await pushTo(...[...names].reverse())
  expect((await registry.get(CATALOG)).json.repositories).toEqual(names)
  for (const [i, last] of names.entries())
    expect((await registry.get(`${CATALOG}?last=${last}`)).json.repositories).toEqual(names.slice(i + 1))
})

it('the catalog lists a repository once after several pushes', async () => {
  await pushTo('a', 'a')
  registry.wait(2 * 60 * 60 * 1000)
  await pushTo('a')
  expect((await registry.get(CATALOG)).json.repositories).toEqual(['a'])
})

it('the catalog lists a repository without tags', async () => {
  await registry.pushManifest('a', digest(indexOf([])), indexOf([]))
  expect((await registry.get(CATALOG)).json.repositories).toEqual(['a'])
})

it('the catalog rejects methods other than GET', async () => {
  expect((await registry.expectStatus(405, 'POST', CATALOG)).headers.allow).toBe('GET')
})

describe('a page of the catalog', () => {
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
  ])('%s is %j with the next page %s (CVE-2023-2253)', async (query, names, next) => {
    const { json, headers } = await registry.expectStatus(200, 'GET', CATALOG + query)
    expect(json.repositories).toEqual(names)
    expect(headers.link).toBe(next && `<${CATALOG}?${next}>; rel="next"`)
  })

  it('has a Link with the configured origin and the encoded name', async () => {
    registry = openRegistry({ origin: 'https://registry.example' })
    await pushTo('a/b', 'a/c')
    const { headers } = await registry.get(`${CATALOG}?n=1`)
    expect(headers.link).toBe('<https://registry.example/v2/_catalog?n=1&last=a%2Fb>; rel="next"')
  })
})

it('the pages of the catalog contain every repository once and in order', async () => {
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

  it('removes its tags and manifests, and keeps other repositories', async () => {
    for (const name of ['a', 'a/b']) await push(name, 'v1')
    expect((await remove('a')).json).toEqual({ removed: 1, more: false })
    expect(await catalog()).toEqual(['a/b'])
    await registry.expectStatus(404, 'GET', '/v2/a/manifests/v1')
    await registry.expectStatus(404, 'GET', `/v2/a/manifests/${digest(imageOf(['layer']))}`)
    expect((await registry.expectStatus(404, 'GET', '/v2/a/tags/list')).exchange.code).toBe('NAME_UNKNOWN')
    await registry.expectStatus(200, 'GET', '/v2/a/b/manifests/v1')
    await registry.expectStatus(200, 'GET', `/v2/a/b/blobs/${digest('layer')}`)
  })

  it('completes in one request for 50 manifests', async () => {
    for (let i = 0; i < 50; i++) await push('a', `v${i}`, indexOf([], { annotations: { number: String(i) } }))
    expect((await remove('a')).json).toEqual({ removed: 50, more: false })
  })

  it('continues with the next request for more than 50 manifests', async () => {
    for (let i = 0; i < 60; i++) await push('a', `v${i}`, indexOf([], { annotations: { number: String(i) } }))
    expect((await remove('a')).json).toEqual({ removed: 50, more: true })
    expect(await catalog()).toEqual(['a'])
    expect((await remove('a')).json).toEqual({ removed: 10, more: false })
    expect(await catalog()).toEqual([])
  })

  it('is NAME_UNKNOWN for a removed repository, and for one that never existed', async () => {
    await push('a', 'v1')
    await remove('a')
    for (const name of ['a', 'never'])
      expect((await registry.expectStatus(404, 'DELETE', `/api/repositories/${name}`)).exchange.code).toBe(
        'NAME_UNKNOWN',
      )
  })

  it('can be followed by another push to it', async () => {
    await push('a', 'v1')
    await remove('a')
    await push('a', 'v2')
    expect(await catalog()).toEqual(['a'])
    expect((await registry.get('/v2/a/tags/list')).json.tags).toEqual(['v2'])
  })

  it('does not hide the manifest of a push that began before it and ends after it', async () => {
    const table = new MemoryTable()
    const resumed = Promise.withResolvers<void>()
    const reached = Promise.withResolvers<void>()
    let isPaused = false
    const transact = table.transact.bind(table)
    table.transact = async (...writes) => {
      if (isPaused) {
        isPaused = false
        reached.resolve()
        await resumed.promise
      }
      return transact(...writes)
    }
    registry = openRegistry({ table })
    await push('a', 'v1', indexOf([]))

    isPaused = true
    const pushed = push('a', 'v2', indexOf([], { annotations: { second: 'yes' } }))
    await reached.promise
    await remove('a')
    expect(await catalog()).toEqual([])
    resumed.resolve()
    await pushed
    expect(await catalog()).toEqual(['a'])
  })
})
