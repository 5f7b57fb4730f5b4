import fc from 'fast-check'
import type { HeaderList } from '../../support/edge-event.ts'

/** What no viewer may tell S3, and what it may not tell anybody. */
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

/** One character replaced, removed or put in. */
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

/** The digest of an upload is the client's to choose, and S3 holds it to it. An order or a further parameter says nothing. */
export function saysTheSame(one: string, other: string): boolean {
  const said = (target: string) => {
    const [path, query = ''] = target.split(/\?(.*)/s)
    return [path, ...new URLSearchParams(query).getAll('direct')].join(' ')
  }
  return said(one) === said(other)
}
