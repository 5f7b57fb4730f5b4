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

it('lists the tags in ASCII order, and the name', async () => {
  await pushTags('b', 'a', '_', 'Z', '9', 'a.b')
  const answer = await registry.expectStatus(200, 'GET', LIST)
  expect(answer.json).toEqual({ name: 'a/b', tags: ['9', 'Z', '_', 'a', 'a.b', 'b'] })
  expect(answer.headers['content-type']).toBe('application/json')
  expect(answer.headers).not.toHaveProperty('link')
})

it('keeps apart tags that are prefixes of one another', async () => {
  const tags = ['v1', 'v1-', 'v1-rc', 'v1.', 'v1.0', 'v1.0.0', 'v10', 'v1_']
  await pushTags(...tags)
  expect(await tagsOf('')).toEqual(tags)
  for (const [i, last] of tags.entries()) expect(await tagsOf(`?last=${last}`)).toEqual(tags.slice(i + 1))
  for (const tag of tags) await registry.expectStatus(200, 'HEAD', `/v2/a/b/manifests/${tag}`)
})

it('lists the tags of this repository alone', async () => {
  await pushTags('ours')
  for (const other of ['a', 'a/b/c', 'a/b-c', 'a/bc'])
    await registry.pushManifest(other, 'theirs', indexOf([]))
  expect(await tagsOf('')).toEqual(['ours'])
})

it('of a repository that nobody pushed to is NAME_UNKNOWN', async () => {
  await registry.pushManifest('a/b/c', 'latest', indexOf([]))
  const answer = await registry.expectStatus(404, 'GET', LIST)
  expect([answer.code, answer.detail]).toEqual(['NAME_UNKNOWN', { name: 'a/b' }])
})

it('of a repository that holds blobs alone is NAME_UNKNOWN', async () => {
  await registry.pushBlob('a/b', 'layer')
  expect((await registry.expectStatus(404, 'GET', LIST)).code).toBe('NAME_UNKNOWN')
})

it('of a repository with manifests but no tags is an empty list', async () => {
  await pushTags('gone')
  await registry.expectStatus(202, 'DELETE', '/v2/a/b/manifests/gone')
  expect((await registry.get(LIST)).text).toBe('{"name":"a/b","tags":[]}')
})

it.each(['HEAD', 'POST', 'DELETE'])('takes no %s', async method => {
  expect((await registry.expectStatus(405, method, LIST)).headers.allow).toBe('GET')
})

describe('a page', () => {
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
  ])('%s is %j, and the next is %s', async (query, tags, next) => {
    const { json, headers } = await registry.expectStatus(200, 'GET', LIST + query)
    expect(json.tags).toEqual(tags)
    expect(headers.link).toBe(next && `<${LIST}?${next}>; rel="next"`)
  })

  it.each(['-1', 'ten', '1.5', '', '1e9', '0x2', '999999999999999999999999', '%00', '10001'])(
    'of n=%s is as if nobody had asked for less',
    async n => {
      expect(await tagsOf(`?n=${n}`)).toEqual(['a', 'b', 'c', 'd', 'e'])
    },
  )

  it.each(['%00', '%23', 'tag%23b', '~', 'b%0a', '%F0%9F%90%B3', '%ED%A0%80', 'x'.repeat(5000)])(
    'behind last=%s, which is no tag, is a page all the same',
    async last => {
      expect(await tagsOf(`?last=${last}`)).toBeInstanceOf(Array)
    },
  )

  it('links with the public origin where there is one', async () => {
    registry = openRegistry({ origin: 'https://registry.example' })
    await pushTags('a', 'b')
    const { headers } = await registry.get(`${LIST}?n=1`)
    expect(headers.link).toBe(`<https://registry.example${LIST}?n=1&last=a>; rel="next"`)
  })
})

it('has pages of a thousand', async () => {
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

it('has pages that, followed to the end, hold every tag once and in order', async () => {
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
