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

/** Sends a part of the content, with a Content-Range that tests may change. */
const patch = (first: number, last: number, contentRange = `${first}-${last}`) =>
  registry.request('PATCH', location, {
    headers: { 'content-range': contentRange },
    body: CONTENT.slice(first, last + 1),
  })
const close = (body = '', headers: Record<string, string> = {}) =>
  registry.request('PUT', `${location}?digest=${DIGEST}`, { body, headers })
const contentOf = async (named: string) => (await registry.get(`/v2/a/b/blobs/${named}`)).text

describe('chunks in order', () => {
  it('make up the blob', async () => {
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

  it('may include the body of the closing PUT', async () => {
    await patch(0, 4)
    expect((await close(CONTENT.slice(5), { 'content-range': `5-${LAST}` })).status).toBe(201)
    expect(await contentOf(DIGEST)).toBe(CONTENT)
  })

  it('may include the body of a closing PUT without Content-Range', async () => {
    await patch(0, 4)
    expect((await close(CONTENT.slice(5))).status).toBe(201)
    expect(await contentOf(DIGEST)).toBe(CONTENT)
  })

  it('may have a Content-Range in the syntax of HTTP', async () => {
    expect((await patch(0, 4, 'bytes 0-4/22')).status).toBe(202)
    expect((await patch(5, LAST, `bytes 5-${LAST}/*`)).status).toBe(202)
    expect((await close()).status).toBe(201)
  })

  it('may have no Content-Length', async () => {
    const headers = { 'content-range': '0-4' }
    await registry.expectStatus(202, 'PATCH', location, { headers, body: streamed(CONTENT.slice(0, 5)) })
    expect((await close(CONTENT.slice(5))).status).toBe(201)
  })

  it('may be a single chunk, for a blob below the minimum chunk size', async () => {
    await patch(0, LAST)
    expect((await close()).status).toBe(201)
  })

  it('may be closed with a Content-Type and no body', async () => {
    await patch(0, LAST)
    expect((await close('', { 'content-type': 'application/octet-stream' })).status).toBe(201)
  })

  it('may be closed with a Content-Range and no body', async () => {
    await patch(0, LAST)
    expect((await close('', { 'content-range': `0-${LAST}` })).status).toBe(201)
  })

  it('make up the blob for any chunk boundaries and any closing request', async () => {
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

describe('the minimum chunk size', () => {
  it('is announced when an upload begins, and smaller chunks are accepted', async () => {
    registry = openRegistry({ minChunkSize: 1_000 })
    const begun = await registry.expectStatus(202, 'POST', '/v2/a/b/blobs/uploads/')
    expect(begun.headers['oci-chunk-min-length']).toBe('1000')

    location = begun.headers.location ?? ''
    const { status, headers } = await patch(0, 4)
    expect(status).toBe(202)
    expect(headers).not.toHaveProperty('oci-chunk-min-length')
  })

  it('is not announced when it is not configured', async () => {
    const { headers } = await registry.expectStatus(202, 'POST', '/v2/a/b/blobs/uploads/')
    expect(headers).not.toHaveProperty('oci-chunk-min-length')
  })
})

describe('a chunk out of order', () => {
  const expectOutOfOrder = async (response: ReturnType<typeof patch>, range: string | undefined) => {
    const { status, code, headers } = await response
    expect([status, code]).toEqual([416, 'RANGE_INVALID'])
    expect([headers.location, headers.range]).toEqual([location, range])
  }

  it('is rejected with the current Range when it leaves a gap', async () => {
    await patch(0, 4)
    await expectOutOfOrder(patch(6, LAST), '0-4')
  })

  it('is rejected with the current Range when it overlaps', async () => {
    await patch(0, 4)
    await expectOutOfOrder(patch(4, LAST), '0-4')
  })

  it('is rejected with the current Range when it is repeated', async () => {
    await patch(0, 4)
    await expectOutOfOrder(patch(0, 4), '0-4')
  })

  it('is rejected without a Range before the first byte', async () => {
    await expectOutOfOrder(patch(5, LAST), undefined)
    expect((await registry.expectStatus(204, 'GET', location)).headers.range).toBe('0-0')
  })

  it('is rejected in the closing PUT, and the session continues', async () => {
    await patch(0, 4)
    await expectOutOfOrder(close(CONTENT.slice(6), { 'content-range': `6-${LAST}` }), '0-4')
    await patch(5, LAST)
    expect((await close()).status).toBe(201)
    expect(await contentOf(DIGEST)).toBe(CONTENT)
  })

  it('is not stored: a client that continues from the Range completes the blob', async () => {
    await patch(0, 4)
    const { headers } = await patch(9, LAST)
    const next = Number(headers.range?.split('-')[1]) + 1
    await patch(next, LAST)
    expect((await close()).status).toBe(201)
    expect(await contentOf(DIGEST)).toBe(CONTENT)
  })
})

describe('a chunk that differs from its Content-Range', () => {
  it.each([
    ['shorter', '0-9'],
    ['longer', '0-2'],
  ])('is rejected and discarded when it is %s', async (_, contentRange) => {
    const response = await patch(0, 4, contentRange)
    expect([response.status, response.code]).toEqual([400, 'SIZE_INVALID'])
    expect((await registry.expectStatus(204, 'GET', location)).headers.range).toBe('0-0')
  })

  it.each(['0-9', '0-2'])(
    'is rejected and discarded when it has no Content-Length: %s',
    async contentRange => {
      const headers = { 'content-range': contentRange }
      const body = streamed(CONTENT.slice(0, 5))
      expect((await registry.expectStatus(400, 'PATCH', location, { headers, body })).code).toBe(
        'SIZE_INVALID',
      )
      expect((await registry.expectStatus(204, 'GET', location)).headers.range).toBe('0-0')
    },
  )

  it.each(['4-0', 'bytes */22', 'x', '0-', '-5', '0-99999999999999999999'])(
    'is rejected when the Content-Range is malformed: %j',
    async contentRange => {
      const response = await patch(0, 4, contentRange)
      expect([response.status, response.code]).toEqual([400, 'BLOB_UPLOAD_INVALID'])
    },
  )
})
