import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { invalidateNonIntegers } from '../../lambda/protocol/integer-fields.ts'
import { processorTime } from '../support/processor-time.ts'
import { runs } from '../support/property-runs.ts'

describe('a number of an integer field', () => {
  it.each(['3.0', '3e0', '30E-1', '0.3e+1', '-0', '-3', '1e400'])(
    'becomes -1 when it is written as %s',
    number => {
      expect(invalidateNonIntegers(`{"size":${number}}`)).toBe('{"size":-1}')
    },
  )

  it.each([
    '{"size" :\t\r\n # }',
    '{"size":#,"digest":"a"}',
    '{"s\\u0069ze":#}',
    '{"\\u0073i\\u007Ae":#}',
    '{"a":"\\\\","size":#}',
    '{"a":["size",{"size":#}]}',
    '{"schemaVersion":#}',
    '{"schema\\u0056ersion":#}',
  ])('is found in %s', json => {
    expect(invalidateNonIntegers(json.replace('#', '3.0'))).toBe(json.replace('#', '-1'))
  })

  it.each([
    '{"size":3}',
    '{"size":0}',
    '{"size" :\t\r\n 3 }',
    '{"size":"3.0"}',
    '{"size":null}',
    '{"size":[3.0]}',
    '{"size":99999999999999999999}',
    '{"sizes":3.0}',
    '{"Size":3.0}',
    '{"a\\"size":3.0}',
    '{"a":"\\"size\\":3.0,"}',
    '{"a":"size","b":3.0}',
    '["size",3.0]',
  ])('is not changed in %s', json => {
    expect(invalidateNonIntegers(json)).toBe(json)
  })

  it.each([
    '{"size":3.0.0}',
    '{"size":03.0}',
    '{"size":3.}',
    '{"size":3.0',
    '{"size":+3.0}',
    '{"size":3.0x}',
  ])('stays invalid JSON in %s', json => {
    expect(() => JSON.parse(invalidateNonIntegers(json))).toThrow(SyntaxError)
  })
})

const NUMBERS = ['3', '0', '-0', '3.0', '3e0', '30E-1', '-1', '0.0', '1e400', '12345678901234567890']
const NOT_NUMBERS = ['03.0', '3.', '3.0.0', '+3.0', '.5', '3e', '3.0x', '3.0"', '--3.0', '3.0 3', 'NaN']
const KEYS = [
  ...['size', 's\\u0069ze', '\\u0073\\u0069\\u007a\\u0065', 'schemaVersion'],
  ...['Size', 'a', 'a\\"size'],
]
const TEXTS = ['', 'size', '\\"size\\":3.0,', '\\\\', '\\\\\\"size\\": 3e0}', '3.0']

/** JSON with these spellings of numbers, and names and texts that look like integer fields. */
function documents(numbers: readonly string[]): fc.Arbitrary<string> {
  const space = fc.constantFrom('', ' ', '\n\t')
  const text = fc.constantFrom(...TEXTS).map(content => `"${content}"`)
  return fc.letrec<{ json: string }>(tie => {
    const member = fc
      .tuple(fc.constantFrom(...KEYS), space, space, tie('json'), space)
      .map(([key, before, after, value, end]) => `"${key}"${before}:${after}${value}${end}`)
    return {
      json: fc.oneof(
        { maxDepth: 4, withCrossShrink: true },
        fc.constantFrom(...numbers),
        text,
        fc.array(tie('json'), { maxLength: 3 }).map(items => `[${items.join(',')}]`),
        fc.array(member, { maxLength: 4 }).map(members => `{${members.join(',')}}`),
      ),
    }
  }).json
}

it('invalidates the same numbers as a reviver that sees their source', () => {
  const revive = (key: string, value: unknown, context?: { readonly source?: string }) =>
    ['size', 'schemaVersion'].includes(key) &&
    typeof value === 'number' &&
    !/^\d+$/.test(context?.source ?? '')
      ? -1
      : value
  fc.assert(
    fc.property(documents(NUMBERS), json => {
      expect(JSON.parse(invalidateNonIntegers(json))).toEqual(JSON.parse(json, revive))
    }),
    { numRuns: runs(2000) },
  )
})

it('makes no JSON of text that is not JSON', () => {
  const isJson = (text: string) => {
    try {
      JSON.parse(text)
      return true
    } catch {
      return false
    }
  }
  fc.assert(
    fc.property(documents([...NUMBERS, ...NOT_NUMBERS]), text => {
      expect(isJson(invalidateNonIntegers(text))).toBe(isJson(text))
    }),
    { numRuns: runs(2000) },
  )
})

it('needs little time for any 4 MiB', async () => {
  const million = 1_000_000
  const documents = [
    `{"a":"${'\\"size'.repeat(million / 2)}"}`,
    `{"size":${' '.repeat(4 * million)}3}`,
    `{"size":${'1'.repeat(2 * million)}${' '.repeat(2 * million)}x`,
    `{"a":[${'{"size":1.5},'.repeat(million / 4)}0]}`,
  ]

  const time = await processorTime(() => {
    for (const document of documents) invalidateNonIntegers(document)
  })

  expect(time).toBeLessThan(10_000)
})
