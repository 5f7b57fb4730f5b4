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

describe('the length of a body', () => {
  it.each<[string, Record<string, string>, number | undefined]>([
    ['is what the client says', { 'content-length': '5' }, 5],
    ['is nothing when the client says nothing', {}, 0],
    ['is not known when the client streams', { 'transfer-encoding': 'chunked' }, undefined],
  ])('%s', (_, headers, length) => {
    expect(bodyLength(request(headers))).toBe(length)
  })
})

describe('a small body', () => {
  const pieces = fc.array(fc.uint8Array({ maxLength: 5 }), { maxLength: 5 })

  it('is read whole when it is within the limit, and refused when it is not', async () => {
    await fc.assert(
      fc.asyncProperty(pieces, fc.nat(12), async (pieces, limit) => {
        const whole = Buffer.concat(pieces)
        const reading = readBody(request({ 'transfer-encoding': 'chunked' }, ...pieces), limit)
        if (whole.length <= limit) expect(await reading).toEqual(whole)
        else await expect(reading).rejects.toMatchObject({ code: 'CONTENT_TOO_LARGE', detail: { limit } })
      }),
    )
  })

  it('is refused before a byte of it is read when it says that it is too large', async () => {
    const large = request({ 'content-length': '11' }, Buffer.alloc(11))
    await expect(readBody(large, 10)).rejects.toMatchObject({ code: 'CONTENT_TOO_LARGE' })
    const unread: Uint8Array[] = []
    for await (const piece of large.body) unread.push(piece)
    expect(unread).toHaveLength(1)
  })

  it('is refused in the middle when it is larger than it says', async () => {
    const lying = request({ 'content-length': '1' }, Buffer.alloc(6), Buffer.alloc(6), Buffer.alloc(6))
    await expect(readBody(lying, 10)).rejects.toMatchObject({ code: 'CONTENT_TOO_LARGE' })
  })
})
