import { describe, expect, it } from 'vitest'
import { MAX_KEYS, type Value } from '../../lambda/store/table.ts'
import { plain, type TableFixture } from '../support/table-fixture.ts'

/** The part of the table contract that concerns reads. */
export function tableReads({ table, partition, key, item, put, get, sortKeys }: TableFixture): void {
  describe('an item', () => {
    it.each<[string, Value]>([
      ['an empty string', ''],
      ['text of any script, with control characters', 'naïve ✓ 鯨 🐳 \u0000\n"\\'],
      ['the largest safe integer', Number.MAX_SAFE_INTEGER],
      ['2 to the 53rd, negative', -(2 ** 53)],
      ['a fraction', 0.125],
      ['false', false],
      ['null', null],
      ['an empty list', []],
      ['an empty object', {}],
      ['JSON within JSON', { a: [1, 'two', { three: [null, true, ''] }], b: {} }],
      [
        'an object with names that are special in JavaScript',
        JSON.parse('{"__proto__":{"a":1},"constructor":"b"}'),
      ],
      ['no bytes', new Uint8Array()],
      ['every byte', Uint8Array.from({ length: 256 }, (_, i) => i)],
      ['a part of a larger buffer', Buffer.from('0123456789').subarray(3, 6)],
      ['350 KB of bytes', new Uint8Array(350 * 1024).fill(0xfe)],
    ])('keeps %s', async (_, value) => {
      await put(item('x', { value }))
      expect(plain(await get('x'))).toEqual(plain(item('x', { value })))
    })

    it('may consist of its key alone', async () => {
      await put(item('x'))
      expect(await get('x')).toEqual(key('x'))
    })

    it('keeps bytes as bytes, also beside an object that looks like a Buffer', async () => {
      const lookalike = { type: 'Buffer', data: [1] }
      await put(item('x', { bytes: Uint8Array.of(1), digest: Uint8Array.of(2), lookalike }))
      const found = await get('x')
      expect(found?.bytes).toBeInstanceOf(Uint8Array)
      expect(plain(found)).toEqual(
        plain(item('x', { bytes: Uint8Array.of(1), digest: Uint8Array.of(2), lookalike })),
      )
    })

    it('does not have attributes that are undefined', async () => {
      await put(item('x', { gone: undefined, nested: { gone: undefined, kept: 1 } }))
      expect(Object.keys((await get('x')) ?? {}).sort()).toEqual(['nested', 'partition', 'sort'])
      expect(Object.keys((await get('x'))?.nested as object)).toEqual(['kept'])
    })

    it('is independent of the objects that a caller put or got', async () => {
      const attributes = { list: [1], bytes: Uint8Array.of(1) }
      await put(item('x', attributes))
      attributes.list.push(2)
      attributes.bytes[0] = 2
      const got = (await get('x')) as typeof attributes | undefined
      got?.list.push(3)
      got?.bytes.fill(3)
      expect(plain(await get('x'))).toEqual(plain(item('x', { list: [1], bytes: Uint8Array.of(1) })))
    })

    it('is replaced completely by a put', async () => {
      await put(item('x', { a: 1, bytes: Uint8Array.of(1) }))
      await put(item('x', { b: 2 }))
      expect(await get('x')).toEqual(item('x', { b: 2 }))
    })

    it('is absent after a delete, which can be repeated', async () => {
      await put(item('x'))
      await table().transact({ delete: key('x') })
      await table().transact({ delete: key('x') })
      expect(await get('x')).toBeUndefined()
    })

    it('is found by its complete key only', async () => {
      await put(item('x#1'))
      expect(await get('x')).toBeUndefined()
      expect(await get('X#1')).toBeUndefined()
      expect(await table().get({ partition: `${partition()}x`, sort: '#1' })).toBeUndefined()
    })
  })

  describe('getMany', () => {
    it('returns items in the order of the keys, with undefined for missing ones', async () => {
      await put(item('a', { n: 1 }), item('b', { n: 2 }))
      const found = await table().getMany([key('b'), key('none'), key('a')])
      expect(found).toEqual([item('b', { n: 2 }), undefined, item('a', { n: 1 })])
    })

    it('returns the item of a repeated key twice', async () => {
      await put(item('a'))
      expect(await table().getMany([key('a'), key('none'), key('a'), key('none')])).toEqual([
        key('a'),
        undefined,
        key('a'),
        undefined,
      ])
    })

    it('returns an empty list for no keys', async () => {
      expect(await table().getMany([])).toEqual([])
    })

    it(`accepts up to ${MAX_KEYS} keys`, async () => {
      const keys = Array.from({ length: MAX_KEYS + 1 }, (_, i) => key(`x#${i}`))
      expect(await table().getMany(keys.slice(1))).toHaveLength(MAX_KEYS)
      await expect(table().getMany(keys)).rejects.toThrow(TypeError)
    })

    it('returns items that are large together', async () => {
      const large = Array.from({ length: 8 }, (_, i) => item(`x#${i}`, { bytes: new Uint8Array(350_000) }))
      for (const one of large) await put(one)
      expect((await table().getMany(large)).map(plain)).toEqual(large.map(plain))
    })
  })

  describe('a query', () => {
    const ASCII = ['!', '-', '/', '0', 'A', 'Z', '_', 'a', 'a#1', 'a-1', 'a/1', 'a1', 'aA', 'a_1', 'aa', '~']

    it('sorts by ASCII, for any order of the writes', async () => {
      await put(...ASCII.toReversed().map(sort => item(sort)))
      expect(await sortKeys()).toEqual(ASCII)
    })

    it('returns only items of its partition', async () => {
      await put(
        item('x'),
        { partition: `${partition()}x`, sort: 'y' },
        { partition: partition().slice(0, -1), sort: 'z' },
      )
      expect(await sortKeys()).toEqual(['x'])
    })

    it('returns an empty list for a partition without items', async () => {
      expect(await sortKeys()).toEqual([])
    })

    it('treats the characters of a prefix literally', async () => {
      await put(
        ...['tag#1', 'tag#10', 'tag#2', 'tag#_', 'tag#a', 'tag#~', 'tag', 'tagged#x', 'TAG#1'].map(sort =>
          item(sort),
        ),
      )
      expect(await sortKeys({ prefix: 'tag#' })).toEqual([
        'tag#1',
        'tag#10',
        'tag#2',
        'tag#_',
        'tag#a',
        'tag#~',
      ])
      expect(await sortKeys({ prefix: 'tag#1' })).toEqual(['tag#1', 'tag#10'])
      expect(await sortKeys({ prefix: 'tag#_' })).toEqual(['tag#_'])
      expect(await sortKeys({ prefix: 'tag#%' })).toEqual([])
    })

    it('pages without gaps or repeats', async () => {
      await put(...ASCII.map(sort => item(sort)))
      const seen: string[] = []
      for (let page = await sortKeys({ limit: 3 }); page.length > 0 && seen.length <= ASCII.length; ) {
        seen.push(...page)
        page = await sortKeys({ limit: 3, after: seen.at(-1) ?? '' })
      }
      expect(seen).toEqual(ASCII)
    })

    it('can begin after a key that does not exist', async () => {
      await put(item('tag#1'), item('tag#10'), item('tag#2'))
      expect(await sortKeys({ after: 'tag#15' })).toEqual(['tag#2'])
    })

    it('can begin after a key outside its prefix', async () => {
      await put(item('a'), item('tag#1'), item('tag#2'), item('z'))
      expect(await sortKeys({ prefix: 'tag#', after: 'b' })).toEqual(['tag#1', 'tag#2'])
      expect(await sortKeys({ prefix: 'tag#', after: 'u' })).toEqual([])
    })

    it('returns an empty list for a limit of 0', async () => {
      await put(item('x'))
      expect(await sortKeys({ limit: 0 })).toEqual([])
    })

    it('returns all items, also when they are large together', async () => {
      const large = Array.from({ length: 8 }, (_, i) => item(`x#${i}`, { bytes: new Uint8Array(350_000) }))
      for (const one of large) await put(one)
      expect(await sortKeys()).toEqual(large.map(one => one.sort))
      expect(await sortKeys({ limit: 7 })).toEqual(large.map(one => one.sort).slice(0, 7))
    })
  })
}
