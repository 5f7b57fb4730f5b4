import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { literalPrefix, matchesAny, matchesGlob } from '../../../lambda/auth/policy/glob.ts'
import { processorTime } from '../../support/processor-time.ts'

describe('a pattern', () => {
  it.each([
    ['app', 'app', true],
    ['app', 'apps', false],
    ['app', 'my/app', false],
    ['*', 'app', true],
    ['*', 'team/app', false],
    ['**', 'team/app', true],
    ['team/*', 'team/app', true],
    ['team/*', 'team/app/web', false],
    ['team/**', 'team/app/web', true],
    ['team/**', 'team', false],
    ['team/**', 'teams/app', false],
    ['**/web', 'team/app/web', true],
    ['te*/w*b', 'team/web', true],
    ['v*', 'v1.2', true],
    ['v1.?', 'v1.2', false],
    ['[a-z]', 'a', false],
    ['a.c', 'abc', false],
    ['', '', true],
  ])('%j matches %j: %s', (pattern, text, expected) => {
    expect(matchesGlob(pattern, text)).toBe(expected)
  })

  it('matches the same texts as its regular expression', () => {
    const part = fc.constantFrom('a', 'b', '/', '*', '**', '.')
    const pattern = fc.array(part, { maxLength: 8 }).map(parts => parts.join(''))
    const text = fc.array(fc.constantFrom('a', 'b', '/', '.'), { maxLength: 8 }).map(parts => parts.join(''))
    fc.assert(
      fc.property(pattern, text, (pattern, text) => {
        const source = pattern.replace(/\*\*|\*|\./g, part =>
          part === '**' ? '.*' : part === '*' ? '[^/]*' : '\\.',
        )
        expect(matchesGlob(pattern, text)).toBe(new RegExp(`^${source}$`).test(text))
      }),
    )
  })

  it('matches as part of a list exactly when it matches alone', () => {
    const part = fc.constantFrom('a', 'b', '/', '*', '**')
    const pattern = fc.array(part, { maxLength: 6 }).map(parts => parts.join(''))
    const text = fc.array(fc.constantFrom('a', 'b', '/'), { maxLength: 6 }).map(parts => parts.join(''))
    fc.assert(
      fc.property(fc.array(pattern, { maxLength: 4 }), fc.array(text), (patterns, texts) => {
        for (const text of texts)
          expect(matchesAny(patterns, text)).toBe(patterns.some(pattern => matchesGlob(pattern, text)))
      }),
    )
  })

  it('matches only texts that begin with its literal prefix', () => {
    const part = fc.constantFrom('a', 'b', '/', '*', '**')
    const pattern = fc.array(part, { maxLength: 6 }).map(parts => parts.join(''))
    const text = fc.array(fc.constantFrom('a', 'b', '/'), { maxLength: 6 }).map(parts => parts.join(''))
    fc.assert(
      fc.property(pattern, text, (pattern, text) => {
        expect(!matchesGlob(pattern, text) || text.startsWith(literalPrefix(pattern))).toBe(true)
      }),
    )
  })

  it('does not cause exponential backtracking', async () => {
    const time = await processorTime(() => {
      expect(matchesGlob(`${'*a'.repeat(100)}b`, 'a'.repeat(255))).toBe(false)
      expect(matchesGlob(`${'**a'.repeat(80)}b`, 'a'.repeat(255))).toBe(false)
    })
    expect(time).toBeLessThan(500)
  })
})
