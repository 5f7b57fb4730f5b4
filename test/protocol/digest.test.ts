import fc from 'fast-check'
import { expect, it } from 'vitest'
import { algorithmOf, digestOf, parseAlgorithm, parseDigest } from '../../lambda/protocol/digest.ts'
import { anyDigest, anyText } from '../support/arbitraries.ts'
import { codeOf } from '../support/errors.ts'

const HEX = 'a'.repeat(64)

it('accepts every digest of both algorithms unchanged', () => {
  fc.assert(fc.property(anyDigest, digest => parseDigest(digest) === digest))
})

it('splits a digest and joins it again', () => {
  fc.assert(
    fc.property(anyDigest, digest => {
      const [, hex = ''] = digest.split(':')
      expect(digestOf(algorithmOf(digest), hex)).toBe(digest)
    }),
  )
})

it.each([
  ['an empty string', ''],
  ['no algorithm', HEX],
  ['no hex', 'sha256:'],
  ['an algorithm alone', 'sha256'],
  ['upper-case hex', `sha256:${HEX.toUpperCase()}`],
  ['an upper-case algorithm', `SHA256:${HEX}`],
  ['one hex digit too few', `sha256:${HEX.slice(1)}`],
  ['one hex digit too many', `sha256:${HEX}a`],
  ['the length of the other algorithm', `sha512:${HEX}`],
  ['another algorithm', `md5:${'a'.repeat(32)}`],
  ['sha384', `sha384:${'a'.repeat(96)}`],
  ['letters beyond f', `sha256:${'g'.repeat(64)}`],
  ['the bad digest of the conformance suite', 'sha256:baddigeststring'],
  ['a path', `sha256:../../${'a'.repeat(58)}`],
  ['a line break at the end', `sha256:${HEX}\n`],
  ['a space before it', ` sha256:${HEX}`],
])('rejects %s', (_, text) => {
  expect(codeOf(() => parseDigest(text))).toBe('DIGEST_INVALID')
})

it('rejects any other text with DIGEST_INVALID', () => {
  fc.assert(
    fc.property(anyText, text => {
      expect(codeOf(() => parseDigest(text))).toBe('DIGEST_INVALID')
    }),
  )
})

it.each(['sha256', 'sha512'])('accepts the algorithm %s', name => {
  expect(parseAlgorithm(name)).toBe(name)
})

it.each(['', 'SHA256', 'sha384', 'md5', 'sha256 ', 'constructor'])('rejects the algorithm %j', name => {
  expect(codeOf(() => parseAlgorithm(name))).toBe('DIGEST_INVALID')
})
