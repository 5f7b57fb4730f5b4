import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  type Change,
  type Condition,
  ConditionFailed,
  type Item,
  type Key,
  MOST_KEYS,
  MOST_WRITES,
  type Range,
  type Table,
  type Value,
  type Write,
} from '../../lambda/store/table.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { type Step, steps } from '../support/table-steps.ts'

/**
 * What every Table must do. Each adapter's test file calls this once, with a table that may be shared and slow to make:
 * every test keeps to a partition of its own.
 */
export function tableContract(create: () => Promise<{ table: Table; close(): Promise<void> }>): void {
  describe('as a table', () => {
    let table: Table
    let close: () => Promise<void>
    let partition: string
    beforeAll(async () => {
      const made = await create()
      table = made.table
      close = () => made.close()
    })
    afterAll(() => close())
    beforeEach(() => {
      partition = `repository#${randomUUID()}`
    })

    const key = (sort: string): Key => ({ partition, sort })
    const item = (sort: string, attributes: { [name: string]: Value | undefined } = {}): Item => ({
      ...attributes,
      partition,
      sort,
    })
    const put = (...items: Item[]) => table.transact(...items.map(one => ({ put: one })))
    const get = (sort: string) => table.get(key(sort))
    const update = (sort: string, change: Change) => table.transact({ update: key(sort), change })
    const sorts = async (range?: Range) => (await table.query(partition, range)).map(found => found.sort)

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
        ['an object that JavaScript finds special', JSON.parse('{"__proto__":{"a":1},"constructor":"b"}')],
        ['no bytes', new Uint8Array()],
        ['every byte', Uint8Array.from({ length: 256 }, (_, i) => i)],
        ['a part of a larger buffer', Buffer.from('0123456789').subarray(3, 6)],
        ['350 KB of bytes', new Uint8Array(350 * 1024).fill(0xfe)],
      ])('keeps %s', async (_, value) => {
        await put(item('x', { value }))
        expect(plain(await get('x'))).toEqual(plain(item('x', { value })))
      })

      it('may be its key alone', async () => {
        await put(item('x'))
        expect(await get('x')).toEqual(key('x'))
      })

      it('gives bytes back as bytes, also beside an object that looks like them', async () => {
        const lookalike = { type: 'Buffer', data: [1] }
        await put(item('x', { bytes: Uint8Array.of(1), digest: Uint8Array.of(2), lookalike }))
        const found = await get('x')
        expect(found?.bytes).toBeInstanceOf(Uint8Array)
        expect(plain(found)).toEqual(
          plain(item('x', { bytes: Uint8Array.of(1), digest: Uint8Array.of(2), lookalike })),
        )
      })

      it('does not have the attributes that are undefined', async () => {
        await put(item('x', { gone: undefined, nested: { gone: undefined, kept: 1 } }))
        expect(Object.keys((await get('x')) ?? {}).sort()).toEqual(['nested', 'partition', 'sort'])
        expect(Object.keys((await get('x'))?.nested as object)).toEqual(['kept'])
      })

      it('is not changed by what a caller does to what it put or got', async () => {
        const given = { list: [1], bytes: Uint8Array.of(1) }
        await put(item('x', given))
        given.list.push(2)
        given.bytes[0] = 2
        const got = (await get('x')) as typeof given | undefined
        got?.list.push(3)
        got?.bytes.fill(3)
        expect(plain(await get('x'))).toEqual(plain(item('x', { list: [1], bytes: Uint8Array.of(1) })))
      })

      it('is replaced whole by a put', async () => {
        await put(item('x', { a: 1, bytes: Uint8Array.of(1) }))
        await put(item('x', { b: 2 }))
        expect(await get('x')).toEqual(item('x', { b: 2 }))
      })

      it('is gone after a delete, which may be repeated', async () => {
        await put(item('x'))
        await table.transact({ delete: key('x') })
        await table.transact({ delete: key('x') })
        expect(await get('x')).toBeUndefined()
      })

      it('is found by its whole key only', async () => {
        await put(item('x#1'))
        expect(await get('x')).toBeUndefined()
        expect(await get('X#1')).toBeUndefined()
        expect(await table.get({ partition: `${partition}x`, sort: '#1' })).toBeUndefined()
      })
    })

    describe('getMany', () => {
      it('answers in the order of the keys, with undefined for what is missing', async () => {
        await put(item('a', { n: 1 }), item('b', { n: 2 }))
        const found = await table.getMany([key('b'), key('none'), key('a')])
        expect(found).toEqual([item('b', { n: 2 }), undefined, item('a', { n: 1 })])
      })

      it('answers a key twice that comes twice', async () => {
        await put(item('a'))
        expect(await table.getMany([key('a'), key('none'), key('a'), key('none')])).toEqual([
          key('a'),
          undefined,
          key('a'),
          undefined,
        ])
      })

      it('answers nothing for no keys', async () => {
        expect(await table.getMany([])).toEqual([])
      })

      it(`takes ${MOST_KEYS} keys and no more`, async () => {
        const keys = Array.from({ length: MOST_KEYS + 1 }, (_, i) => key(`x#${i}`))
        expect(await table.getMany(keys.slice(1))).toHaveLength(MOST_KEYS)
        await expect(table.getMany(keys)).rejects.toThrow(TypeError)
      })

      it('answers items that are large together', async () => {
        const large = Array.from({ length: 8 }, (_, i) => item(`x#${i}`, { bytes: new Uint8Array(350_000) }))
        for (const one of large) await put(one)
        expect((await table.getMany(large)).map(plain)).toEqual(large.map(plain))
      })
    })

    describe('a query', () => {
      const ASCII = [
        '!',
        '-',
        '/',
        '0',
        'A',
        'Z',
        '_',
        'a',
        'a#1',
        'a-1',
        'a/1',
        'a1',
        'aA',
        'a_1',
        'aa',
        '~',
      ]

      it('sorts by ASCII, whatever the order of the writes', async () => {
        await put(...ASCII.toReversed().map(sort => item(sort)))
        expect(await sorts()).toEqual(ASCII)
        expect(await sorts({ descending: true })).toEqual(ASCII.toReversed())
      })

      it('keeps to its partition', async () => {
        await put(
          item('x'),
          { partition: `${partition}x`, sort: 'y' },
          { partition: partition.slice(0, -1), sort: 'z' },
        )
        expect(await sorts()).toEqual(['x'])
      })

      it('answers nothing for a partition without items', async () => {
        expect(await sorts()).toEqual([])
      })

      it('takes a prefix literally', async () => {
        await put(
          ...['tag#1', 'tag#10', 'tag#2', 'tag#_', 'tag#a', 'tag', 'tagged#x', 'TAG#1'].map(sort =>
            item(sort),
          ),
        )
        expect(await sorts({ prefix: 'tag#' })).toEqual(['tag#1', 'tag#10', 'tag#2', 'tag#_', 'tag#a'])
        expect(await sorts({ prefix: 'tag#1' })).toEqual(['tag#1', 'tag#10'])
        expect(await sorts({ prefix: 'tag#_' })).toEqual(['tag#_'])
        expect(await sorts({ prefix: 'tag#%' })).toEqual([])
      })

      it.each([false, true])('pages without gaps or repeats (descending: %s)', async descending => {
        await put(...ASCII.map(sort => item(sort)))
        const seen: string[] = []
        for (let page = await sorts({ limit: 3, descending }); page.length > 0; ) {
          seen.push(...page)
          page = await sorts({ limit: 3, descending, after: seen.at(-1) ?? '' })
        }
        expect(seen).toEqual(descending ? ASCII.toReversed() : ASCII)
      })

      it('goes on after a key that does not exist', async () => {
        await put(item('tag#1'), item('tag#10'), item('tag#2'))
        expect(await sorts({ after: 'tag#15' })).toEqual(['tag#2'])
        expect(await sorts({ after: 'tag#15', descending: true })).toEqual(['tag#10', 'tag#1'])
      })

      it('may begin after a key outside its prefix', async () => {
        await put(item('a'), item('tag#1'), item('tag#2'), item('z'))
        expect(await sorts({ prefix: 'tag#', after: 'b' })).toEqual(['tag#1', 'tag#2'])
        expect(await sorts({ prefix: 'tag#', after: 'u' })).toEqual([])
        expect(await sorts({ prefix: 'tag#', after: 'b', descending: true })).toEqual([])
        expect(await sorts({ prefix: 'tag#', after: 'u', descending: true })).toEqual(['tag#2', 'tag#1'])
      })

      it('answers nothing for a limit of 0', async () => {
        await put(item('x'))
        expect(await sorts({ limit: 0 })).toEqual([])
      })

      it('answers everything, however large', async () => {
        const large = Array.from({ length: 8 }, (_, i) => item(`x#${i}`, { bytes: new Uint8Array(350_000) }))
        for (const one of large) await put(one)
        expect(await sorts()).toEqual(large.map(one => one.sort))
        expect(await sorts({ limit: 7, descending: true })).toEqual(
          large
            .map(one => one.sort)
            .toReversed()
            .slice(0, 7),
        )
      })
    })

    describe('an update', () => {
      it('sets, adds and removes, and leaves the rest', async () => {
        await put(item('x', { kept: Uint8Array.of(1), set: 'old', links: 2, gone: 1 }))
        await update('x', {
          set: { set: 'new', made: [1] },
          add: { links: -1, pulls: 5 },
          remove: ['gone', 'never'],
        })
        expect(plain(await get('x'))).toEqual(
          plain(item('x', { kept: Uint8Array.of(1), set: 'new', made: [1], links: 1, pulls: 5 })),
        )
      })

      it('makes an item that is absent', async () => {
        await update('x', { set: { a: 'b' }, add: { links: 1 } })
        expect(await get('x')).toEqual(item('x', { a: 'b', links: 1 }))
      })

      it('of an item that must be present fails where it is absent', async () => {
        const write: Write = { update: key('x'), change: { add: { links: 1 } }, if: 'present' }
        await expect(table.transact(write)).rejects.toThrow(ConditionFailed)
        expect(await get('x')).toBeUndefined()
      })

      it('turns bytes into text and text into bytes', async () => {
        await put(item('x', { a: Uint8Array.of(1), b: 'text' }))
        await update('x', { set: { a: 'text', b: Uint8Array.of(2) } })
        expect(plain(await get('x'))).toEqual(plain(item('x', { a: 'text', b: Uint8Array.of(2) })))
      })

      it('writes attributes alone, though its key be a whole item', async () => {
        await table.transact({ update: item('x', { other: 1 }), change: { set: { a: 1 } } })
        expect(await get('x')).toEqual(item('x', { a: 1 }))
      })

      it('does not add to what is no number', async () => {
        await put(item('x', { a: 'text' }))
        const writes: Write[] = [{ put: item('y') }, { update: key('x'), change: { add: { a: 1 } } }]
        await expect(table.transact(...writes)).rejects.toThrow()
        expect(await table.query(partition)).toEqual([item('x', { a: 'text' })])
      })

      it.each<[string, Change]>([
        ['an attribute twice', { set: { a: 1 }, remove: ['a'] }],
        ['an attribute of the key', { set: { sort: 'y' } }],
      ])('that names %s is a programming error', async (_, change) => {
        await expect(update('x', change)).rejects.toThrow(TypeError)
      })
    })

    describe('a condition', () => {
      const attributes = {
        text: 'a',
        empty: '',
        yes: true,
        n: 5,
        zero: 0,
        bytes: Uint8Array.of(1),
        list: [1],
      }
      it.each<[Condition, boolean]>([
        ['present', true],
        ['absent', false],
        [{}, true],
        [{ text: 'a' }, true],
        [{ text: 'b' }, false],
        [{ empty: '' }, true],
        [{ yes: true }, true],
        [{ yes: false }, false],
        [{ n: 5 }, true],
        [{ n: '5' }, false],
        [{ zero: false }, false],
        [{ n: { below: 5 } }, false],
        [{ n: { below: 6 } }, true],
        [{ n: { atLeast: 5 } }, true],
        [{ n: { atLeast: 6 } }, false],
        [{ zero: { atLeast: 0 } }, true],
        [{ text: 'a', n: { below: 6 } }, true],
        [{ text: 'a', n: { below: 5 } }, false],
        [{ none: 0 }, false],
        [{ none: false }, false],
        [{ none: { below: 1 } }, false],
        [{ none: { atLeast: 0 } }, false],
        [{ text: { below: 1 } }, false],
        [{ bytes: { atLeast: 0 } }, false],
        [{ list: 1 }, false],
      ])('%j of an item that is there: %s', async (condition, holds) => {
        await put(item('x', attributes))
        const outcome = table.transact({ check: key('x'), if: condition }).then(
          () => true,
          error => (error instanceof ConditionFailed ? false : error),
        )
        expect(await outcome).toBe(holds)
      })

      const kinds: [string, (condition: Condition) => Write][] = [
        ['a put', condition => ({ put: item('x', { n: 2 }), if: condition })],
        ['an update', condition => ({ update: key('x'), change: { set: { n: 2 } }, if: condition })],
        ['a delete', condition => ({ delete: key('x'), if: condition })],
        ['a check', condition => ({ check: key('x'), if: condition })],
      ]
      it.each(kinds)('is obeyed by %s', async (_, write) => {
        await expect(table.transact(write('present'))).rejects.toMatchObject({ failed: [0] })
        await put(item('x', { n: 1 }))
        await expect(table.transact(write('absent'))).rejects.toMatchObject({ failed: [0] })
        await expect(table.transact(write({ n: 2 }))).rejects.toMatchObject({ failed: [0] })
        expect(await get('x')).toEqual(item('x', { n: 1 }))
        await expect(table.transact(write({ n: 1 }))).resolves.toBeUndefined()
      })
    })

    describe('a transaction', () => {
      it('writes nothing when one condition fails', async () => {
        await put(item('kept', { n: 1 }), item('changed', { n: 1 }))
        const before = await table.query(partition)
        await expect(
          table.transact(
            { put: item('new') },
            { delete: key('kept') },
            { update: key('changed'), change: { add: { n: 1 } } },
            { check: key('none'), if: 'present' },
          ),
        ).rejects.toThrow(ConditionFailed)
        expect(await table.query(partition)).toEqual(before)
      })

      it('names every write that was refused', async () => {
        await put(item('a'), item('b'))
        await expect(
          table.transact(
            { put: item('a'), if: 'absent' },
            { put: item('c'), if: 'absent' },
            { delete: key('none'), if: 'present' },
            { put: item('d') },
            { check: key('b'), if: { n: { below: 1 } } },
          ),
        ).rejects.toMatchObject({ name: 'ConditionFailed', failed: [0, 2, 4] })
      })

      it('reaches across partitions', async () => {
        const other = { partition: `${partition}#other`, sort: 'x' }
        await expect(table.transact({ put: other }, { check: key('x'), if: 'present' })).rejects.toThrow()
        expect(await table.get(other)).toBeUndefined()
        await table.transact({ put: other }, { check: key('x'), if: 'absent' })
        expect(await table.get(other)).toEqual(other)
      })

      it(`takes ${MOST_WRITES} writes`, async () => {
        await put(...Array.from({ length: MOST_WRITES }, (_, i) => item(`x#${i}`)))
        expect(await sorts()).toHaveLength(MOST_WRITES)
      })

      it.each<[string, (items: Item[]) => Write[]]>([
        ['no write', () => []],
        [`more than ${MOST_WRITES} writes`, items => items.map(one => ({ put: one }))],
        ['an item twice', ([a, b]) => [{ put: a }, { put: b }, { delete: a }] as Write[]],
        ['an empty key', () => [{ put: item('') }]],
        ['a key that is not ASCII', () => [{ put: item('é') }]],
      ])('of %s is a programming error', async (_, writes) => {
        const items = Array.from({ length: MOST_WRITES + 1 }, (_, i) => item(`x#${i}`))
        await expect(table.transact(...writes(items))).rejects.toThrow(TypeError)
        expect(await table.query(partition)).toEqual([])
      })
    })

    describe('many at once', () => {
      it('lose no addition', async () => {
        await Promise.all(Array.from({ length: 50 }, () => update('x', { add: { pulls: 1 } })))
        expect(await get('x')).toEqual(item('x', { pulls: 50 }))
      })

      it('have one winner when the item must be absent', async () => {
        const puts = Array.from({ length: 20 }, (_, n) =>
          table.transact({ put: item('x', { n }), if: 'absent' }),
        )
        const outcomes = await Promise.allSettled(puts)
        const winners = [...outcomes.keys()].filter(n => outcomes[n]?.status === 'fulfilled')
        expect(winners).toHaveLength(1)
        expect(await get('x')).toEqual(item('x', { n: winners[0] }))
        for (const outcome of outcomes)
          if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(ConditionFailed)
      })

      it('are each all or nothing, refused ones among the others', async () => {
        await put(item('taken'))
        const outcomes = await Promise.allSettled(
          Array.from({ length: 10 }, (_, i) =>
            table.transact(
              { put: item(`x#${i}`) },
              { check: key('taken'), if: i % 2 ? 'present' : 'absent' },
            ),
          ),
        )
        expect(outcomes.map(({ status }) => status === 'fulfilled')).toEqual(
          outcomes.map((_, i) => i % 2 === 1),
        )
        expect(await sorts({ prefix: 'x#' })).toEqual(['x#1', 'x#3', 'x#5', 'x#7', 'x#9'])
      })
    })

    it('answers as the model does, step by step', async () => {
      await fc.assert(
        fc.asyncProperty(steps(), async run => {
          const [real, model] = [table, new MemoryTable()]
          const space = `${randomUUID()}#`
          for (const step of run)
            expect(await outcome(real, step, space)).toEqual(await outcome(model, step, space))
          for (const name of ['p', 'q'])
            expect((await real.query(space + name)).map(plain)).toEqual(
              (await model.query(space + name)).map(plain),
            )
        }),
        { numRuns: 100 },
      )
    })
  })
}

/** What a step comes to on a table, in partitions of its own, as a value to compare. */
async function outcome(table: Table, step: Step, space: string): Promise<unknown> {
  const at = <K extends Key>(key: K): K => ({ ...key, partition: space + key.partition })
  if ('query' in step) return (await table.query(space + step.query, step.range)).map(plain)
  if ('keys' in step) return (await table.getMany(step.keys.map(at))).map(plain)
  const writes = step.writes.map((write): Write => {
    if ('put' in write) return { ...write, put: at(write.put) }
    if ('update' in write) return { ...write, update: at(write.update) }
    return 'delete' in write ? { ...write, delete: at(write.delete) } : { ...write, check: at(write.check) }
  })
  return table.transact(...writes).then(
    () => 'done',
    error => (error instanceof ConditionFailed ? error.failed : 'refused'),
  )
}

/** Bytes by their hex, so that a Buffer equals any other Uint8Array, and nothing else does. */
function plain(item: Item | undefined): unknown {
  return (
    item &&
    Object.entries(item)
      .map(([name, value]) => [
        name,
        value instanceof Uint8Array ? { hex: Buffer.from(value).toString('hex') } : value,
      ])
      .sort()
  )
}
