import { describe, expect, it } from 'vitest'
import {
  type Change,
  type Condition,
  ConditionFailed,
  type Item,
  MAX_WRITES,
  type Write,
} from '../../lambda/store/table.ts'
import { plain, type TableFixture } from '../support/table-fixture.ts'

/** The part of the table contract that concerns writes, including concurrent ones. */
export function tableWrites({ table, partition, key, item, put, get, update, sortKeys }: TableFixture): void {
  describe('an update', () => {
    it('sets and adds attributes, and keeps the others', async () => {
      await put(item('x', { kept: Uint8Array.of(1), set: 'old', links: 2 }))
      await update('x', {
        set: { set: 'new', made: [1] },
        add: { links: -1, pulls: 5 },
      })
      expect(plain(await get('x'))).toEqual(
        plain(item('x', { kept: Uint8Array.of(1), set: 'new', made: [1], links: 1, pulls: 5 })),
      )
    })

    it('creates an absent item', async () => {
      await update('x', { set: { a: 'b' }, add: { links: 1 } })
      expect(await get('x')).toEqual(item('x', { a: 'b', links: 1 }))
    })

    it('fails for an absent item with the condition present', async () => {
      const write: Write = { update: key('x'), change: { add: { links: 1 } }, if: 'present' }
      await expect(table().transact(write)).rejects.toThrow(ConditionFailed)
      expect(await get('x')).toBeUndefined()
    })

    it('can replace bytes by text and text by bytes', async () => {
      await put(item('x', { a: Uint8Array.of(1), b: 'text' }))
      await update('x', { set: { a: 'text', b: Uint8Array.of(2) } })
      expect(plain(await get('x'))).toEqual(plain(item('x', { a: 'text', b: Uint8Array.of(2) })))
    })

    it('ignores the attributes of an item that is given as its key', async () => {
      await table().transact({ update: item('x', { other: 1 }), change: { set: { a: 1 } } })
      expect(await get('x')).toEqual(item('x', { a: 1 }))
    })

    it('fails to add to an attribute that is not a number', async () => {
      await put(item('x', { a: 'text' }))
      const writes: Write[] = [{ put: item('y') }, { update: key('x'), change: { add: { a: 1 } } }]
      await expect(table().transact(...writes)).rejects.toThrow()
      expect(await table().query(partition())).toEqual([item('x', { a: 'text' })])
    })

    it.each<[string, Change]>([
      ['an attribute twice', { set: { a: 1 }, add: { a: 1 } }],
      ['an attribute of the key', { set: { sort: 'y' } }],
    ])('throws TypeError if it names %s', async (_, change) => {
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
      [{ text: 'a', n: 5 }, true],
      [{ text: 'a', n: 6 }, false],
      [{ none: 0 }, false],
      [{ none: false }, false],
      [{ list: 1 }, false],
    ])('%j on a present item: %s', async (condition, holds) => {
      await put(item('x', attributes))
      const outcome = table()
        .transact({ check: key('x'), if: condition })
        .then(
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
    it.each(kinds)('applies to %s', async (_, write) => {
      await expect(table().transact(write('present'))).rejects.toMatchObject({ failed: [0] })
      await put(item('x', { n: 1 }))
      await expect(table().transact(write('absent'))).rejects.toMatchObject({ failed: [0] })
      await expect(table().transact(write({ n: 2 }))).rejects.toMatchObject({ failed: [0] })
      expect(await get('x')).toEqual(item('x', { n: 1 }))
      await expect(table().transact(write({ n: 1 }))).resolves.toBeUndefined()
    })
  })

  describe('a transaction', () => {
    it('writes nothing when one condition fails', async () => {
      await put(item('kept', { n: 1 }), item('changed', { n: 1 }))
      const before = await table().query(partition())
      await expect(
        table().transact(
          { put: item('new') },
          { delete: key('kept') },
          { update: key('changed'), change: { add: { n: 1 } } },
          { check: key('none'), if: 'present' },
        ),
      ).rejects.toThrow(ConditionFailed)
      expect(await table().query(partition())).toEqual(before)
    })

    it('names every write whose condition failed', async () => {
      await put(item('a'), item('b'))
      await expect(
        table().transact(
          { put: item('a'), if: 'absent' },
          { put: item('c'), if: 'absent' },
          { delete: key('none'), if: 'present' },
          { put: item('d') },
          { check: key('b'), if: { n: 1 } },
        ),
      ).rejects.toMatchObject({ name: 'ConditionFailed', failed: [0, 2, 4] })
    })

    it('can span partitions', async () => {
      const other = { partition: `${partition()}#other`, sort: 'x' }
      await expect(table().transact({ put: other }, { check: key('x'), if: 'present' })).rejects.toThrow()
      expect(await table().get(other)).toBeUndefined()
      await table().transact({ put: other }, { check: key('x'), if: 'absent' })
      expect(await table().get(other)).toEqual(other)
    })

    it(`accepts ${MAX_WRITES} writes`, async () => {
      await put(...Array.from({ length: MAX_WRITES }, (_, i) => item(`x#${i}`)))
      expect(await sortKeys()).toHaveLength(MAX_WRITES)
    })

    it.each<[string, (items: Item[]) => Write[]]>([
      ['no write', () => []],
      [`more than ${MAX_WRITES} writes`, items => items.map(one => ({ put: one }))],
      ['an item twice', ([a, b]) => [{ put: a }, { put: b }, { delete: a }] as Write[]],
      ['an empty key', () => [{ put: item('') }]],
      ['a key that is not ASCII', () => [{ put: item('é') }]],
    ])('throws TypeError for %s', async (_, writes) => {
      const items = Array.from({ length: MAX_WRITES + 1 }, (_, i) => item(`x#${i}`))
      await expect(table().transact(...writes(items))).rejects.toThrow(TypeError)
      expect(await table().query(partition())).toEqual([])
    })
  })

  describe('concurrent transactions', () => {
    it('lose no addition', async () => {
      await Promise.all(Array.from({ length: 50 }, () => update('x', { add: { pulls: 1 } })))
      expect(await get('x')).toEqual(item('x', { pulls: 50 }))
    })

    it('have one winner with the condition absent', async () => {
      const puts = Array.from({ length: 20 }, (_, n) =>
        table().transact({ put: item('x', { n }), if: 'absent' }),
      )
      const outcomes = await Promise.allSettled(puts)
      const winners = [...outcomes.keys()].filter(n => outcomes[n]?.status === 'fulfilled')
      expect(winners).toHaveLength(1)
      expect(await get('x')).toEqual(item('x', { n: winners[0] }))
      for (const outcome of outcomes)
        if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(ConditionFailed)
    })

    it('are each all or nothing, also when others fail', async () => {
      await put(item('taken'))
      const outcomes = await Promise.allSettled(
        Array.from({ length: 10 }, (_, i) =>
          table().transact(
            { put: item(`x#${i}`) },
            { check: key('taken'), if: i % 2 ? 'present' : 'absent' },
          ),
        ),
      )
      expect(outcomes.map(({ status }) => status === 'fulfilled')).toEqual(
        outcomes.map((_, i) => i % 2 === 1),
      )
      expect(await sortKeys({ prefix: 'x#' })).toEqual(['x#1', 'x#3', 'x#5', 'x#7', 'x#9'])
    })
  })
}
