import fc from 'fast-check'
import type { HeaderList } from '../../support/edge-event.ts'

/** Headers of a client that must not reach S3, and the edge header, which must not reach any origin. */
export const FOREIGN: HeaderList = [
  ['Authorization', 'Basic dXNlcjpwYXNz'],
  ['Cookie', 'session=1'],
  ['Content-MD5', 'AAAAAAAAAAAAAAAAAAAAAA=='],
  ['Content-Encoding', 'aws-chunked'],
  ['Content-Type', 'text/html'],
  ['If-Match', '*'],
  ['X-Amz-Acl', 'public-read'],
  ['X-Amz-Checksum-Sha256', 'AAAA'],
  ['x-amz-copy-source', '/bucket/blobs/other'],
  ['X-Amz-Grant-Full-Control', 'uri=all'],
  ['X-Amz-Meta-A', '1'],
  ['X-Amz-Meta-A', '2'],
  ['X-Amz-Storage-Class', 'GLACIER'],
  ['X-Amz-Tagging', 'a=b'],
  ['X-Longshore-Edge', 'guessed'],
]

/** The text with one character replaced, removed or inserted. */
export function edit(text: string): fc.Arbitrary<string> {
  const character = fc.oneof(
    fc.constantFrom(...'0123456789abcdefABCDEF/.-_:%?&=+~#\\ \n'),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }).map(one => one.toWellFormed()),
  )
  const at = fc.nat({ max: text.length })
  return fc
    .tuple(at, fc.constantFrom(0, 1), character, fc.boolean())
    .map(([from, removed, put, puts]) => text.slice(0, from) + (puts ? put : '') + text.slice(from + removed))
}

/**
 * Whether two targets have the same path and the same signature. The client chooses the digest, which S3 verifies. The
 * order of the parameters and other parameters have no effect.
 */
export function isEquivalent(one: string, other: string): boolean {
  const signedPart = (target: string) => {
    const [path, query = ''] = target.split(/\?(.*)/s)
    return [path, ...new URLSearchParams(query).getAll('direct')].join(' ')
  }
  return signedPart(one) === signedPart(other)
}
