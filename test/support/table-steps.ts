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

/** A call of a table. The test adds a prefix to the short names of the partitions. */
export type Step =
  | { readonly writes: readonly Write[] }
  | { readonly query: string; readonly range: KeyRange }
  | { readonly keys: readonly Key[] }

/** Few keys, so that steps use the same items. Their order in ASCII differs from that in other collations. */
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

/** Names of attributes that hold numbers, and of others. Some are reserved words of query languages. */
const NUMBERS = ['links', 'size']
const OTHERS = ['name', 'open', 'bytes', 'last-pulled']

const key: fc.Arbitrary<Key> = fc.record({
  partition: fc.constantFrom('p', 'q'),
  sort: fc.constantFrom(...SORTS),
})

/** Numbers that DynamoDB stores exactly, with 38 decimal digits. It has no negative zero. */
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
 * Names each attribute once, and at least one. It adds only to numbers: if an addition and a condition failed together,
 * the contract would not define which error is thrown.
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

/** A write, rarely with a condition, because one failed condition rejects the complete transaction. */
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

/** Initial items, followed by random calls, mostly writes. */
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
