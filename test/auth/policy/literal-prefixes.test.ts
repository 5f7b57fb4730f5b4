import fc from 'fast-check'
import { expect, it } from 'vitest'
import { literalPrefix } from '../../../lambda/auth/policy/glob.ts'
import { coveringPrefixes } from '../../../lambda/auth/policy/literal-prefixes.ts'

const pattern = fc.stringMatching(/^[ab/]{0,12}\*{0,2}$/)

it.each([
  [[], []],
  [
    ['b/*', 'a/*'],
    ['a/', 'b/'],
  ],
  [['a/b/*', 'a/*', 'a'], ['a']],
  [['a/*', '*/b'], ['']],
])('the prefixes of %j are %j', (patterns, prefixes) => {
  expect(coveringPrefixes(patterns)).toEqual(prefixes)
})

it('more than 16 prefixes are shortened no further than needed', () => {
  const suffixes = [...'abcdefghijklmnopq']
  const patterns = [...'abcd'].flatMap(team => suffixes.map(suffix => `team/${team}${suffix}/*`))
  expect(coveringPrefixes(patterns)).toEqual(['team/a', 'team/b', 'team/c', 'team/d'])
})

it('the prefixes cover every pattern, are sorted, at most 16, and none covers another', () => {
  fc.assert(
    fc.property(fc.array(pattern, { maxLength: 60 }), patterns => {
      const prefixes = coveringPrefixes(patterns)
      expect(patterns.every(one => prefixes.some(prefix => literalPrefix(one).startsWith(prefix)))).toBe(true)
      expect(prefixes.length).toBeLessThanOrEqual(16)
      expect(prefixes).toEqual([...prefixes].sort())
      for (const one of prefixes) expect(prefixes.filter(other => one.startsWith(other))).toEqual([one])
    }),
  )
})
