import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nextLink, parsePage } from '../../lambda/protocol/pagination.ts'
import { anyText } from '../support/arbitraries.ts'

const page = (query: string) => parsePage(new URLSearchParams(query), 1000)

describe('n', () => {
  it.each([
    ['', 1000],
    ['n=', 1000],
    ['n=1', 1],
    ['n=0', 0],
    ['n=1000', 1000],
    ['n=1001', 1000],
    ['n=99999999999999999999999999999', 1000],
    ['n=-1', 1000],
    ['n=1.5', 1000],
    ['n=1e3', 1000],
    ['n=0x10', 1000],
    ['n=ten', 1000],
    ['n=%00', 1000],
    ['n=٣', 1000],
    ['n=2&n=3', 2],
  ])('of %j requests %i entries', (query, limit) => {
    expect(page(query).limit).toBe(limit)
  })

  it('never exceeds the maximum, for any text', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, fc.bigInt().map(String)), n => {
        const { limit } = parsePage(new URLSearchParams({ n }), 1000)
        expect(Number.isInteger(limit) && limit >= 0 && limit <= 1000).toBe(true)
      }),
    )
  })
})

describe('last', () => {
  it('is the entry after which the page begins', () => {
    expect(page('last=v1.0')).toEqual({ limit: 1000, last: 'v1.0' })
  })

  it('is ignored when it is empty', () => {
    expect(page('last=')).toEqual({ limit: 1000 })
  })

  it('is truncated to a length that no tag, name or digest reaches', () => {
    expect(page(`last=${'a'.repeat(10_000)}`).last).toBe('a'.repeat(256))
  })
})

describe('the Link header for the next page', () => {
  it('is a URL in angle brackets and its relation', () => {
    expect(nextLink('/v2/a/tags/list', { n: '2', last: 'b' })).toBe(
      '</v2/a/tags/list?n=2&last=b>; rel="next"',
    )
  })

  it('omits an undefined parameter', () => {
    expect(nextLink('/v2/_catalog', { n: undefined, last: 'b' })).toBe('</v2/_catalog?last=b>; rel="next"')
  })

  it('is parsed to the same page, for any parameters', () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1000 }), text, text, (limit, last, artifactType) => {
        const link = nextLink('/v2/a/tags/list', { artifactType, n: String(limit), last })
        const [, query = ''] = /^<\/v2\/a\/tags\/list\?([!-~]+)>; rel="next"$/.exec(link) ?? []
        expect(query).not.toMatch(/[<>"]/)
        expect(page(query)).toEqual({ limit, last })
        expect(new URLSearchParams(query).get('artifactType')).toBe(artifactType)
      }),
    )
  })
})
