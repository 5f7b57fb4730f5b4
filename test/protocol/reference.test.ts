import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseReference, parseTag, parseUploadId } from '../../lambda/protocol/reference.ts'
import { anyDigest, anyText, tag, uploadId } from '../support/arbitraries.ts'
import { codeOf } from '../support/errors.ts'

/** Verbatim from the distribution spec ("Pulling manifests"). */
const SPEC_TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/

describe('a tag', () => {
  it('may be any text of the grammar, and keeps its case', () => {
    fc.assert(fc.property(tag, text => parseTag(text) === text))
  })

  it.each([
    ['empty', ''],
    ['a leading dot', '.a'],
    ['a leading hyphen', '-a'],
    ['a slash', 'a/b'],
    ['two dots', '..'],
    ['a colon', 'a:b'],
    ['the separator of keys', 'a#b'],
    ['a space', 'a b'],
    ['a percent sign', 'a%20'],
    ['a plus sign', '1.0+build'],
    ['NUL', 'a\0'],
    ['a line break at the end', 'a\n'],
    ['129 characters', 'a'.repeat(129)],
    ['letters beyond ASCII', 'größe'],
  ])('must not be or have %s', (_, text) => {
    expect(codeOf(() => parseTag(text))).toBe('TAG_INVALID')
  })

  it('agrees with the expression of the spec for any text', () => {
    fc.assert(
      fc.property(anyText, text => {
        expect(codeOf(() => parseTag(text))).toBe(SPEC_TAG.test(text) ? undefined : 'TAG_INVALID')
      }),
    )
  })
})

describe('a reference', () => {
  it('is a tag without a colon', () => {
    fc.assert(
      fc.property(tag, text => {
        expect(parseReference(text)).toEqual({ kind: 'tag', tag: text })
      }),
    )
  })

  it('is a digest with a colon', () => {
    fc.assert(
      fc.property(anyDigest, digest => {
        expect(parseReference(digest)).toEqual({ kind: 'digest', digest })
      }),
    )
  })

  it('is rejected with the code of its kind', () => {
    fc.assert(
      fc.property(anyText, text => {
        const code = codeOf(() => parseReference(text))
        if (text.includes(':')) expect(code).toBe('DIGEST_INVALID')
        else expect([undefined, 'TAG_INVALID']).toContain(code)
      }),
    )
  })
})

describe('an upload id', () => {
  it('is a UUID in lower case', () => {
    fc.assert(fc.property(uploadId, id => parseUploadId(id) === id))
  })

  it.each([
    ['empty', ''],
    ['upper case', 'AAAAAAAA-AAAA-4AAA-8AAA-AAAAAAAAAAAA'],
    ['braces', '{aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa}'],
    ['a path', '../../../../../../../../../../../etc'],
    ['a line break at the end', 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa\n'],
  ])('is unknown: %s', (_, text) => {
    expect(codeOf(() => parseUploadId(text))).toBe('BLOB_UPLOAD_UNKNOWN')
  })

  it('is unknown for any text that the registry does not issue', () => {
    fc.assert(fc.property(anyText, text => codeOf(() => parseUploadId(text)) === 'BLOB_UPLOAD_UNKNOWN'))
  })
})
