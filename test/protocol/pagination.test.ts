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
  ])('%j asks for %i', (query, limit) => {
    expect(page(query).limit).toBe(limit)
  })

  it('never makes a page larger than the largest, and never fails', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, fc.bigInt().map(String)), n => {
        const { limit } = parsePage(new URLSearchParams({ n }), 1000)
        expect(Number.isInteger(limit) && limit >= 0 && limit <= 1000).toBe(true)
      }),
    )
  })
})

describe('last', () => {
  it('is where the page begins, exclusive', () => {
    expect(page('last=v1.0')).toEqual({ limit: 1000, last: 'v1.0' })
  })

  it('says nothing when it is empty', () => {
    expect(page('last=')).toEqual({ limit: 1000 })
  })

  it('is cut where no tag, name or digest can reach', () => {
    expect(page(`last=${'a'.repeat(10_000)}`).last).toBe('a'.repeat(256))
  })
})

describe('the Link to the next page', () => {
  it('is an address in angle brackets and its relation', () => {
    expect(nextLink('/v2/a/tags/list', { n: '2', last: 'b' })).toBe(
      '</v2/a/tags/list?n=2&last=b>; rel="next"',
    )
  })

  it('leaves out what is not given', () => {
    expect(nextLink('/v2/_catalog', { n: undefined, last: 'b' })).toBe('</v2/_catalog?last=b>; rel="next"')
  })

  it('is read back by the parser of pages, whatever the parameters hold', () => {
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
