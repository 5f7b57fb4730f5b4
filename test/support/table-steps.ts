import fc from 'fast-check'
import {
  type Change,
  type Condition,
  type Item,
  type Json,
  type Key,
  type KeyRange,
  keyOf,
  type Test,
  type Value,
  type Write,
} from '../../lambda/store/table.ts'

/** One call of a table. Partitions are short names that the test puts in a space of its own. */
export type Step =
  | { readonly writes: readonly Write[] }
  | { readonly query: string; readonly range: KeyRange }
  | { readonly keys: readonly Key[] }

/** Few keys, so that steps meet, and such as sort apart under any other order than ASCII's. */
const SORTS = [
  '-',
  '/',
  'A',
  'Tag#1',
  '_',
  'a',
  'tag#1',
  'tag#10',
  'tag#1_',
  'tag#2',
  'tag#~',
  'tag/1',
  'tagged#1',
]

/** By what they mostly hold. Some are words that query languages reserve. */
const NUMBERS = ['links', 'size']
const OTHERS = ['name', 'open', 'bytes', 'last-pulled']

const key: fc.Arbitrary<Key> = fc.record({
  partition: fc.constantFrom('p', 'q'),
  sort: fc.constantFrom(...SORTS),
})

/** Numbers that a decimal of 38 digits keeps, and no minus zero. */
const number = fc.oneof(
  fc.integer({ min: -3, max: 3 }),
  fc.maxSafeInteger(),
  fc.integer().map(n => n / 8 + 0),
)
const text = fc.oneof(fc.constantFrom('', 'a', 'b'), fc.string({ unit: 'binary' }))
const { json } = fc.letrec<{ json: Json }>(tie => ({
  json: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    text,
    number,
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('json'), { maxLength: 3 }),
    fc.dictionary(fc.string({ minLength: 1 }), tie('json'), { maxKeys: 3 }),
  ),
}))
const value: fc.Arbitrary<Value> = fc.oneof(
  fc.constantFrom('', 'a', 'b', true, false),
  json,
  fc.uint8Array({ maxLength: 40 }),
)

const small = fc.integer({ min: -3, max: 3 })
const test: fc.Arbitrary<Test> = fc.oneof(small, fc.constantFrom('', 'a', 'b', true, false))
const condition: fc.Arbitrary<Condition> = fc.oneof(
  fc.constantFrom<Condition>('absent', 'present', 'present'),
  fc.dictionary(fc.constantFrom(...NUMBERS, ...OTHERS), test, { maxKeys: 2 }),
)

const numbers = fc.dictionary(fc.constantFrom(...NUMBERS), small)
const others = fc.dictionary(fc.constantFrom(...OTHERS), fc.option(value, { nil: undefined, freq: 6 }))
const item: fc.Arbitrary<Item> = fc
  .tuple(numbers, others, key)
  .map(([counts, rest, at]) => ({ ...counts, ...rest, ...at }))

/**
 * Each attribute once, and at least one. What is added to is always a number: where a condition fails besides, which of the
 * two refuses is left open.
 */
const change: fc.Arbitrary<Change> = fc
  .record({
    add: numbers,
    set: fc.dictionary(fc.constantFrom(...OTHERS), value, { maxKeys: 3 }),
  })
  .map(({ add, set }) => ({
    add,
    set: Object.fromEntries(Object.entries(set).filter(([name]) => !(name in add))),
  }))
  .filter(({ add, set }) => Object.keys(add).length + Object.keys(set).length > 0)

/** A write, seldom with a condition, since one that fails refuses all its neighbours. */
const write: fc.Arbitrary<Write> = fc
  .tuple(
    fc.oneof(
      item.map(put => ({ put })),
      fc.record({ update: key, change }),
      fc.record({ delete: key }),
    ),
    fc.option(condition, { freq: 1 }),
  )
  .map(([bare, when]): Write => (when === null ? bare : { ...bare, if: when }))
const check: fc.Arbitrary<Write> = fc.record({ check: key, if: condition })

const writes = fc.uniqueArray(fc.oneof({ weight: 8, arbitrary: write }, { weight: 1, arbitrary: check }), {
  minLength: 1,
  maxLength: 5,
  selector: one => {
    const { partition, sort } = keyOf(one)
    return `${partition} ${sort}`
  },
})

const range: fc.Arbitrary<KeyRange> = fc.record(
  {
    prefix: fc.constantFrom('', 'tag', 'tag#', 'tag#1', 'tag#1_', 'T', '~'),
    after: fc.constantFrom(...SORTS, 'tag', 'tag#', 'tag#15', '!', '~'),
    limit: fc.nat(4),
  },
  { requiredKeys: [] },
)

/** Items to begin with, and then random calls on them, mostly writes. */
export function steps(): fc.Arbitrary<Step[]> {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ writes }) },
    { weight: 2, arbitrary: fc.record({ query: fc.constantFrom('p', 'q'), range }) },
    { weight: 1, arbitrary: fc.record({ keys: fc.array(key, { maxLength: 5 }) }) },
  )
  const first = fc.uniqueArray(item, {
    minLength: 5,
    maxLength: 15,
    selector: at => `${at.partition} ${at.sort}`,
  })
  return fc
    .tuple(first, fc.array(step, { maxLength: 25, size: 'max' }))
    .map(([items, rest]) => [{ writes: items.map(put => ({ put })) }, ...rest])
}
