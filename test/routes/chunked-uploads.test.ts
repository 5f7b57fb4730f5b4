import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { digest } from '../support/content.ts'
import { openRegistry, streamed, type TestRegistry } from '../support/registry.ts'

const CONTENT = 'the content of a layer'
const DIGEST = digest(CONTENT)
const LAST = CONTENT.length - 1

let registry: TestRegistry
let location: string
beforeEach(async () => {
  registry = openRegistry()
  location = await registry.beginUpload('a/b')
})

/** Sends a part of the content, and says of it what `contentRange` says. */
const patch = (first: number, last: number, contentRange = `${first}-${last}`) =>
  registry.request('PATCH', location, {
    headers: { 'content-range': contentRange },
    body: CONTENT.slice(first, last + 1),
  })
const close = (body = '', headers: Record<string, string> = {}) =>
  registry.request('PUT', `${location}?digest=${DIGEST}`, { body, headers })
const contentOf = async (named: string) => (await registry.get(`/v2/a/b/blobs/${named}`)).text

describe('chunks in order', () => {
  it('become the blob', async () => {
    for (const [first, last] of [
      [0, 4],
      [5, 5],
      [6, LAST],
    ] as const) {
      const { status, headers } = await patch(first, last)
      expect([status, headers.location, headers.range]).toEqual([202, location, `0-${last}`])
    }
    const closed = await close()
    expect([closed.status, closed.headers['docker-content-digest']]).toEqual([201, DIGEST])
    expect(await contentOf(DIGEST)).toBe(CONTENT)
  })

  it('may end with the closing PUT', async () => {
    await patch(0, 4)
    expect((await close(CONTENT.slice(5), { 'content-range': `5-${LAST}` })).status).toBe(201)
    expect(await contentOf(DIGEST)).toBe(CONTENT)
  })

  it('may end with a closing PUT that does not say where they belong', async () => {
    await patch(0, 4)
    expect((await close(CONTENT.slice(5))).status).toBe(201)
    expect(await contentOf(DIGEST)).toBe(CONTENT)
  })

  it('may be described as HTTP does it', async () => {
    expect((await patch(0, 4, 'bytes 0-4/22')).status).toBe(202)
    expect((await patch(5, LAST, `bytes 5-${LAST}/*`)).status).toBe(202)
    expect((await close()).status).toBe(201)
  })

  it('may come without a length', async () => {
    const headers = { 'content-range': '0-4' }
    await registry.expectStatus(202, 'PATCH', location, { headers, body: streamed(CONTENT.slice(0, 5)) })
    expect((await close(CONTENT.slice(5))).status).toBe(201)
  })

  it('may be one chunk, as a blob below the smallest chunk is', async () => {
    await patch(0, LAST)
    expect((await close()).status).toBe(201)
  })

  it('may be closed with a Content-Type and no body', async () => {
    await patch(0, LAST)
    expect((await close('', { 'content-type': 'application/octet-stream' })).status).toBe(201)
  })

  it('may be closed with a Content-Range and no body, which names no bytes', async () => {
    await patch(0, LAST)
    expect((await close('', { 'content-range': `0-${LAST}` })).status).toBe(201)
  })

  it('become the blob wherever they are cut, and however it ends', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 40 }),
        fc.array(fc.nat(40), { maxLength: 5 }),
        fc.boolean(),
        fc.boolean(),
        fc.constantFrom('sha256' as const, 'sha512' as const),
        async (content, cuts, ranged, lastInPut, algorithm) => {
          const where = await registry.beginUpload('a/b')
          const ends = [...new Set([0, ...cuts.filter(cut => cut < content.length), content.length])]
          ends.sort((a, b) => a - b)
          const chunks = ends.slice(1).map((end, i) => ({ start: ends[i] ?? 0, end }))
          const named = digest(content, algorithm)
          for (const [i, { start, end }] of chunks.entries()) {
            const isLast = lastInPut && i === chunks.length - 1
            const sent = {
              body: content.subarray(start, end),
              headers: ranged ? { 'content-range': `${start}-${end - 1}` } : {},
            }
            if (isLast) await registry.expectStatus(201, 'PUT', `${where}?digest=${named}`, sent)
            else await registry.expectStatus(202, 'PATCH', where, sent)
          }
          await registry.expectStatus(201, 'PUT', `${where}?digest=${named}`)
          const { bytes } = await registry.get(`/v2/a/b/blobs/${named}`)
          expect(bytes).toEqual(Buffer.from(content))
        },
      ),
    )
  })
})

describe('the least size of a chunk', () => {
  it('is told to who begins an upload, where there is one, and shorter chunks are taken', async () => {
    registry = openRegistry({ minChunkSize: 1_000 })
    const begun = await registry.expectStatus(202, 'POST', '/v2/a/b/blobs/uploads/')
    expect(begun.headers['oci-chunk-min-length']).toBe('1000')

    location = begun.headers.location ?? ''
    const { status, headers } = await patch(0, 4)
    expect(status).toBe(202)
    expect(headers).not.toHaveProperty('oci-chunk-min-length')
  })

  it('is not told where any will do', async () => {
    const { headers } = await registry.expectStatus(202, 'POST', '/v2/a/b/blobs/uploads/')
    expect(headers).not.toHaveProperty('oci-chunk-min-length')
  })
})

describe('a chunk that does not follow what is there', () => {
  const expectOutOfOrder = async (answering: ReturnType<typeof patch>, range: string | undefined) => {
    const { status, code, headers } = await answering
    expect([status, code]).toEqual([416, 'RANGE_INVALID'])
    expect([headers.location, headers.range]).toEqual([location, range])
  }

  it('is refused with where to go on: a gap', async () => {
    await patch(0, 4)
    await expectOutOfOrder(patch(6, LAST), '0-4')
  })

  it('is refused with where to go on: an overlap', async () => {
    await patch(0, 4)
    await expectOutOfOrder(patch(4, LAST), '0-4')
  })

  it('is refused with where to go on: the same again', async () => {
    await patch(0, 4)
    await expectOutOfOrder(patch(0, 4), '0-4')
  })

  it('is refused before the first byte', async () => {
    await expectOutOfOrder(patch(5, LAST), undefined)
    expect((await registry.expectStatus(204, 'GET', location)).headers.range).toBe('0-0')
  })

  it('is refused in the closing PUT, and the session goes on', async () => {
    await patch(0, 4)
    await expectOutOfOrder(close(CONTENT.slice(6), { 'content-range': `6-${LAST}` }), '0-4')
    await patch(5, LAST)
    expect((await close()).status).toBe(201)
    expect(await contentOf(DIGEST)).toBe(CONTENT)
  })

  it('leaves nothing behind: a client that goes on from the Range has its blob', async () => {
    await patch(0, 4)
    const { headers } = await patch(9, LAST)
    const next = Number(headers.range?.split('-')[1]) + 1
    await patch(next, LAST)
    expect((await close()).status).toBe(201)
    expect(await contentOf(DIGEST)).toBe(CONTENT)
  })
})

describe('a chunk that is not what it says', () => {
  it.each([
    ['shorter', '0-9'],
    ['longer', '0-2'],
  ])('is refused when it is %s, and forgotten', async (_, contentRange) => {
    const answer = await patch(0, 4, contentRange)
    expect([answer.status, answer.code]).toEqual([400, 'SIZE_INVALID'])
    expect((await registry.expectStatus(204, 'GET', location)).headers.range).toBe('0-0')
  })

  it.each(['0-9', '0-2'])('is refused as well when it has no length and says %s', async contentRange => {
    const headers = { 'content-range': contentRange }
    const body = streamed(CONTENT.slice(0, 5))
    expect((await registry.expectStatus(400, 'PATCH', location, { headers, body })).code).toBe('SIZE_INVALID')
    expect((await registry.expectStatus(204, 'GET', location)).headers.range).toBe('0-0')
  })

  it.each(['4-0', 'bytes */22', 'x', '0-', '-5', '0-99999999999999999999'])(
    'is refused when it says %j',
    async contentRange => {
      const answer = await patch(0, 4, contentRange)
      expect([answer.status, answer.code]).toEqual([400, 'BLOB_UPLOAD_INVALID'])
    },
  )
})
