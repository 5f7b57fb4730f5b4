import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { tag } from '../support/arbitraries.ts'
import { indexOf } from '../support/content.ts'
import { runs } from '../support/property-runs.ts'
import { openRegistry, type TestRegistry } from '../support/registry.ts'

const LIST = '/v2/a/b/tags/list'

let registry: TestRegistry
beforeEach(() => {
  registry = openRegistry()
})

const pushTags = async (...tags: string[]) => {
  for (const tag of tags) await registry.pushManifest('a/b', tag, indexOf([]))
}
const tagsOf = async (query: string) => (await registry.expectStatus(200, 'GET', LIST + query)).json.tags

it('the tags list contains the name and the tags in ASCII order', async () => {
  await pushTags('b', 'a', '_', 'Z', '9', 'a.b')
  const response = await registry.expectStatus(200, 'GET', LIST)
  expect(response.json).toEqual({ name: 'a/b', tags: ['9', 'Z', '_', 'a', 'a.b', 'b'] })
  expect(response.headers['content-type']).toBe('application/json')
  expect(response.headers).not.toHaveProperty('link')
})

it('the tags list distinguishes tags that are prefixes of others', async () => {
  const tags = ['v1', 'v1-', 'v1-rc', 'v1.', 'v1.0', 'v1.0.0', 'v10', 'v1_']
  await pushTags(...tags)
  expect(await tagsOf('')).toEqual(tags)
  for (const [i, last] of tags.entries()) expect(await tagsOf(`?last=${last}`)).toEqual(tags.slice(i + 1))
  for (const tag of tags) await registry.expectStatus(200, 'HEAD', `/v2/a/b/manifests/${tag}`)
})

it('the tags list contains no tags of other repositories', async () => {
  await pushTags('ours')
  for (const other of ['a', 'a/b/c', 'a/b-c', 'a/bc'])
    await registry.pushManifest(other, 'theirs', indexOf([]))
  expect(await tagsOf('')).toEqual(['ours'])
})

it('the tags list of a repository that does not exist is NAME_UNKNOWN', async () => {
  await registry.pushManifest('a/b/c', 'latest', indexOf([]))
  const response = await registry.expectStatus(404, 'GET', LIST)
  expect([response.code, response.detail]).toEqual(['NAME_UNKNOWN', { name: 'a/b' }])
})

it('the tags list of a repository that holds only blobs is NAME_UNKNOWN', async () => {
  await registry.pushBlob('a/b', 'layer')
  expect((await registry.expectStatus(404, 'GET', LIST)).code).toBe('NAME_UNKNOWN')
})

it('the tags list of a repository without tags is empty', async () => {
  await pushTags('deleted')
  await registry.expectStatus(202, 'DELETE', '/v2/a/b/manifests/deleted')
  expect((await registry.get(LIST)).text).toBe('{"name":"a/b","tags":[]}')
})

it.each(['HEAD', 'POST', 'DELETE'])('the tags list rejects %s', async method => {
  expect((await registry.expectStatus(405, method, LIST)).headers.allow).toBe('GET')
})

describe('a page of the tags list', () => {
  beforeEach(() => pushTags('a', 'b', 'c', 'd', 'e'))

  it.each([
    ['?n=2', ['a', 'b'], 'n=2&last=b'],
    ['?n=2&last=b', ['c', 'd'], 'n=2&last=d'],
    ['?n=2&last=d', ['e'], undefined],
    ['?n=5', ['a', 'b', 'c', 'd', 'e'], undefined],
    ['?n=4', ['a', 'b', 'c', 'd'], 'n=4&last=d'],
    ['?last=c', ['d', 'e'], undefined],
    ['?last=bb', ['c', 'd', 'e'], undefined],
    ['?last=-', ['a', 'b', 'c', 'd', 'e'], undefined],
    ['?last=e', [], undefined],
    ['?last=zzz', [], undefined],
    ['?n=0', [], undefined],
    ['?n=0&last=b', [], undefined],
    ['?last=', ['a', 'b', 'c', 'd', 'e'], undefined],
  ])('%s is %j with the next page %s', async (query, tags, next) => {
    const { json, headers } = await registry.expectStatus(200, 'GET', LIST + query)
    expect(json.tags).toEqual(tags)
    expect(headers.link).toBe(next && `<${LIST}?${next}>; rel="next"`)
  })

  it.each(['-1', 'ten', '1.5', '', '1e9', '0x2', '999999999999999999999999', '%00', '10001'])(
    'ignores the invalid size n=%s',
    async n => {
      expect(await tagsOf(`?n=${n}`)).toEqual(['a', 'b', 'c', 'd', 'e'])
    },
  )

  it.each(['%00', '%23', 'tag%23b', '~', 'b%0a', '%F0%9F%90%B3', '%ED%A0%80', 'x'.repeat(5000)])(
    'is returned for last=%s, which is not a tag',
    async last => {
      expect(await tagsOf(`?last=${last}`)).toBeInstanceOf(Array)
    },
  )

  it('has a Link with the configured origin', async () => {
    registry = openRegistry({ origin: 'https://registry.example' })
    await pushTags('a', 'b')
    const { headers } = await registry.get(`${LIST}?n=1`)
    expect(headers.link).toBe(`<https://registry.example${LIST}?n=1&last=a>; rel="next"`)
  })
})

it('the tags list has at most a thousand tags per page', async () => {
  const tags = Array.from({ length: 1001 }, (_, i) => `t${String(i).padStart(4, '0')}`)
  for (let i = 0; i < tags.length; i += 40) {
    const query = tags.slice(i, i + 40).map(tag => `tag=${tag}`)
    await registry.pushManifest('a/b', `${tags[i]}?${query.join('&')}`, indexOf([]))
  }
  for (const query of ['', '?n=1001', '?n=99999999999'])
    expect((await registry.get(LIST + query)).json.tags).toEqual(tags.slice(0, 1000))
  const pages = await pagesOf('')
  expect(pages).toEqual([tags.slice(0, 1000), tags.slice(1000)])
})

async function pagesOf(query: string) {
  const pages: (readonly string[])[] = []
  for await (const { json } of registry.pages(LIST + query)) pages.push(json.tags ?? [])
  return pages
}

it('the pages of the tags list contain every tag once and in order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(tag, { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 1, max: 9 }),
      async (tags, n) => {
        registry = openRegistry()
        await pushTags(...tags)
        const pages = await pagesOf(`?n=${n}`)
        expect(pages.flat()).toEqual([...tags].sort())
        expect(pages.slice(0, -1).every(page => page.length === n)).toBe(true)
        expect(pages.at(-1)).not.toEqual([])
      },
    ),
    { numRuns: runs(50) },
  )
})
