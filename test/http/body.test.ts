import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bodyLength, readBody } from '../../lambda/http/body.ts'
import type { HttpRequest } from '../../lambda/http/message.ts'
import { streamed } from '../support/registry.ts'

const request = (headers: Record<string, string>, ...pieces: Uint8Array[]): HttpRequest => ({
  method: 'PUT',
  path: '/',
  query: new URLSearchParams(),
  headers,
  body: streamed(...pieces),
})

describe('bodyLength', () => {
  it.each<[string, Record<string, string>, number | undefined]>([
    ['is the Content-Length', { 'content-length': '5' }, 5],
    ['is 0 without Content-Length and Transfer-Encoding', {}, 0],
    ['is undefined when the client streams', { 'transfer-encoding': 'chunked' }, undefined],
  ])('%s', (_, headers, length) => {
    expect(bodyLength(request(headers))).toBe(length)
  })
})

describe('readBody', () => {
  const pieces = fc.array(fc.uint8Array({ maxLength: 5 }), { maxLength: 5 })

  it('reads a body within the limit, and rejects a larger one', async () => {
    await fc.assert(
      fc.asyncProperty(pieces, fc.nat(12), async (pieces, limit) => {
        const content = Buffer.concat(pieces)
        const reading = readBody(request({ 'transfer-encoding': 'chunked' }, ...pieces), limit)
        if (content.length <= limit) expect(await reading).toEqual(content)
        else await expect(reading).rejects.toMatchObject({ code: 'CONTENT_TOO_LARGE', detail: { limit } })
      }),
    )
  })

  it('rejects a body whose Content-Length is too large before it reads a byte', async () => {
    const large = request({ 'content-length': '11' }, Buffer.alloc(11))
    await expect(readBody(large, 10)).rejects.toMatchObject({ code: 'CONTENT_TOO_LARGE' })
    const unread: Uint8Array[] = []
    for await (const piece of large.body) unread.push(piece)
    expect(unread).toHaveLength(1)
  })

  it('rejects a body that exceeds the limit although its Content-Length does not', async () => {
    const tooLong = request({ 'content-length': '1' }, Buffer.alloc(6), Buffer.alloc(6), Buffer.alloc(6))
    await expect(readBody(tooLong, 10)).rejects.toMatchObject({ code: 'CONTENT_TOO_LARGE' })
  })
})
