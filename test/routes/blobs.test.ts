import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Digest } from '../../lambda/protocol/digest.ts'
import { digest } from '../support/content.ts'
import { openRegistry, type TestRegistry, type TestResponse } from '../support/registry.ts'

const CONTENT = Buffer.from(Array.from({ length: 2048 }, (_, i) => i % 251))
const ABSENT = digest('absent')

let registry: TestRegistry
let blob: Digest
let path: string
beforeEach(async () => {
  registry = openRegistry()
  blob = await registry.pushBlob('a/b', CONTENT)
  path = `/v2/a/b/blobs/${blob}`
})

describe('GET of a blob', () => {
  it('returns its bytes and the headers that describe them', async () => {
    const { bytes, headers } = await registry.expectStatus(200, 'GET', path)
    expect(bytes).toEqual(CONTENT)
    expect(headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-length': '2048',
      'docker-content-digest': blob,
      etag: `"${blob}"`,
      'accept-ranges': 'bytes',
    })
  })

  it('that does not exist is BLOB_UNKNOWN', async () => {
    const { code, detail } = await registry.expectStatus(404, 'GET', `/v2/a/b/blobs/${ABSENT}`)
    expect({ code, detail }).toEqual({ code: 'BLOB_UNKNOWN', detail: { digest: ABSENT } })
  })

  it('that another repository holds is BLOB_UNKNOWN', async () => {
    await registry.expectStatus(404, 'GET', `/v2/a/blobs/${blob}`)
    await registry.expectStatus(404, 'GET', `/v2/a/b/c/blobs/${blob}`)
  })

  it.each(['sha256:short', 'md5:d41d8cd98f00b204e9800998ecf8427e', 'latest', `sha256:${'A'.repeat(64)}`])(
    'by the malformed digest %s is DIGEST_INVALID',
    async text => {
      expect((await registry.expectStatus(400, 'GET', `/v2/a/b/blobs/${text}`)).code).toBe('DIGEST_INVALID')
    },
  )

  it('is not compressed, whatever Accept-Encoding allows', async () => {
    const { headers } = await registry.get(path, { 'accept-encoding': 'zstd, gzip, deflate' })
    expect(headers).not.toHaveProperty('content-encoding')
    expect(headers['content-length']).toBe('2048')
  })
})

describe('HEAD of a blob', () => {
  it('has the headers of GET', async () => {
    const { headers } = await registry.get(path)
    expect((await registry.expectStatus(200, 'HEAD', path)).headers).toEqual(headers)
  })

  it('that does not exist is 404', async () => {
    await registry.expectStatus(404, 'HEAD', `/v2/a/b/blobs/${ABSENT}`)
  })

  it('ignores Range', async () => {
    const { status, headers } = await registry.head(path, { range: 'bytes=0-9' })
    expect([status, headers['content-length']]).toEqual([200, '2048'])
  })
})

describe('a Range', () => {
  it.each([
    ['bytes=500-1499', 500, 1499],
    ['bytes=500-', 500, 2047],
    ['bytes=-500', 1548, 2047],
    ['bytes=0-0', 0, 0],
    ['bytes=2047-', 2047, 2047],
    ['bytes=2000-5000', 2000, 2047],
    ['bytes=-5000', 0, 2047],
  ])('%s returns bytes %i to %i', async (range, first, last) => {
    const response = await registry.get(path, { range })
    expect(response.status).toBe(206)
    expect(response.bytes).toEqual(CONTENT.subarray(first, last + 1))
    expect(response.headers).toMatchObject({
      'content-range': `bytes ${first}-${last}/2048`,
      'content-length': String(last - first + 1),
      'docker-content-digest': blob,
      'accept-ranges': 'bytes',
    })
  })

  it.each(['bytes=2048-', 'bytes=5000-10000', 'bytes=500-0', 'bytes=-0'])(
    '%s is RANGE_INVALID with the size of the blob',
    async range => {
      const response = await registry.get(path, { range })
      expect([response.status, response.code]).toEqual([416, 'RANGE_INVALID'])
      expect(response.headers['content-range']).toBe('bytes */2048')
    },
  )

  it.each(['bytes=0-1,4-x', 'pages=1-2', 'bytes=a-b', 'bytes=-', ''])(
    '%j returns the whole blob',
    async range => {
      const response = await registry.get(path, { range })
      expect(response.status).toBe(200)
      expect(response.bytes).toEqual(CONTENT)
    },
  )

  it('with the ETag of the blob in If-Range returns the range', async () => {
    const response = await registry.get(path, { range: 'bytes=0-9', 'if-range': `"${blob}"` })
    expect(response.status).toBe(206)
  })

  it.each([`"${ABSENT}"`, 'Wed, 21 Oct 2026 07:28:00 GMT'])(
    'with If-Range %s returns the whole blob',
    async ifRange => {
      const response = await registry.get(path, { range: 'bytes=0-9', 'if-range': ifRange })
      expect([response.status, response.bytes.length]).toEqual([200, 2048])
    },
  )

  it('and the range after it make up the content, for every boundary', async () => {
    const small = await registry.pushBlob('a/b', 'content')
    for (let cut = 1; cut < 7; cut++) {
      const parts = [`bytes=0-${cut - 1}`, `bytes=${cut}-`]
      const responses = await Promise.all(
        parts.map(range => registry.get(`/v2/a/b/blobs/${small}`, { range })),
      )
      expect(responses.map(response => response.text).join('')).toBe('content')
    }
  })
})

describe('several ranges', () => {
  it('are sent as multipart/byteranges, in the order of the request', async () => {
    const response = await registry.get(path, { range: 'bytes=2000-2047,0-9' })

    const boundary = blob.slice('sha256:'.length)
    expect(response.status).toBe(206)
    expect(response.headers).toMatchObject({
      'content-type': `multipart/byteranges; boundary=${boundary}`,
      'docker-content-digest': blob,
      etag: `"${blob}"`,
    })
    expect(response.headers).not.toHaveProperty('content-range')
    expect(partsOf(response)).toEqual([
      { range: 'bytes 2000-2047/2048', bytes: CONTENT.subarray(2000) },
      { range: 'bytes 0-9/2048', bytes: CONTENT.subarray(0, 10) },
    ])
  })

  it('that are adjacent or overlap are sent as one range', async () => {
    const response = await registry.get(path, { range: 'bytes=0-9,10-19,5-12' })
    expect([response.status, response.headers['content-range']]).toEqual([206, 'bytes 0-19/2048'])
    expect(response.bytes).toEqual(CONTENT.subarray(0, 20))
  })

  it('are sent without a range that lies outside the blob', async () => {
    const response = await registry.get(path, { range: 'bytes=5000-,0-9' })
    expect([response.status, response.headers['content-range']]).toEqual([206, 'bytes 0-9/2048'])
  })

  it('that all lie outside the blob are 416', async () => {
    const response = await registry.get(path, { range: 'bytes=5000-,9000-9001' })
    expect([response.status, response.headers['content-range']]).toEqual([416, 'bytes */2048'])
  })

  it('with the If-Range of other content return the whole blob', async () => {
    const response = await registry.get(path, { range: 'bytes=0-1,4-5', 'if-range': `"${ABSENT}"` })
    expect([response.status, response.bytes.length]).toEqual([200, 2048])
  })

  it('that are more than 16 return the whole blob', async () => {
    const range = `bytes=${Array.from({ length: 17 }, (_, i) => `${i * 10}-${i * 10}`).join(',')}`
    expect((await registry.get(path, { range })).status).toBe(200)
  })

  it('return exactly the requested bytes', async () => {
    const content = Buffer.from('--sha256\r\n\r\nContent-Range: bytes 0-1/2\r\n')
    const digest = await registry.pushBlob('a/b', content)
    const pair = fc
      .tuple(fc.nat(content.length + 5), fc.nat(12))
      .map(([first, more]) => [first, first + more])
    await fc.assert(
      fc.asyncProperty(fc.array(pair, { minLength: 1, maxLength: 8 }), async pairs => {
        const range = `bytes=${pairs.map(([first, last]) => `${first}-${last}`).join(',')}`
        const response = await registry.get(`/v2/a/b/blobs/${digest}`, { range })

        const requested = [...content.keys()].filter(at =>
          pairs.some(([first = 0, last = 0]) => at >= first && at <= last),
        )
        expect(response.status).toBe(requested.length === 0 ? 416 : 206)
        if (requested.length === 0) return
        const received = new Map<number, number | undefined>()
        for (const { range, bytes } of partsOf(response)) {
          const [, first, last] = /^bytes (\d+)-(\d+)\/\d+$/.exec(range) ?? []
          expect(bytes.length).toBe(Number(last) - Number(first) + 1)
          for (const [i, byte] of bytes.entries()) received.set(Number(first) + i, byte)
        }
        expect([...received].sort(([a], [b]) => a - b)).toEqual(requested.map(at => [at, content[at]]))
      }),
    )
  })
})

/** The ranges in a 206 response, with one range or several. */
function partsOf({ headers, bytes }: TestResponse): { range: string; bytes: Buffer }[] {
  const [, boundary] = /boundary=(\S+)$/.exec(headers['content-type'] ?? '') ?? []
  if (!boundary) return [{ range: headers['content-range'] ?? '', bytes }]
  const text = `\r\n${bytes.toString('latin1')}`
  const pieces = text.split(`\r\n--${boundary}`)
  expect([pieces[0], pieces.at(-1)]).toEqual(['', '--\r\n'])
  return pieces.slice(1, -1).map(piece => {
    const end = piece.indexOf('\r\n\r\n')
    const [, range = ''] = /\r\nContent-Range: (.*)$/m.exec(piece.slice(0, end)) ?? []
    return { range, bytes: Buffer.from(piece.slice(end + 4), 'latin1') }
  })
}

describe('If-None-Match', () => {
  const etags = () => [`"${blob}"`, `W/"${blob}"`, blob, `"other", "${blob}"`, '*']

  it.each(['GET', 'HEAD'])('with the ETag of the blob makes %s respond 304', async method => {
    for (const etag of etags()) {
      const response = await registry.expectStatus(304, method, path, { headers: { 'if-none-match': etag } })
      expect(response.headers.etag).toBe(`"${blob}"`)
    }
  })

  it.each(['GET', 'HEAD'])('with another ETag makes %s respond 200', async method => {
    await registry.expectStatus(200, method, path, { headers: { 'if-none-match': `"${ABSENT}"` } })
  })

  it('makes GET of a missing blob respond 404', async () => {
    await registry.expectStatus(404, 'GET', `/v2/a/b/blobs/${ABSENT}`, { headers: { 'if-none-match': '*' } })
  })
})

describe('an empty blob', () => {
  it.each(['sha256', 'sha512'] as const)('can be pushed and pulled with a %s digest', async algorithm => {
    const empty = `/v2/a/b/blobs/${await registry.pushBlob('a/b', '', algorithm)}`
    for (const method of ['GET', 'HEAD']) {
      const { headers, bytes } = await registry.expectStatus(200, method, empty)
      expect(headers['content-length']).toBe('0')
      expect(bytes).toHaveLength(0)
    }
  })

  it('is returned whole for any Range', async () => {
    const empty = await registry.pushBlob('a/b', '')
    await registry.expectStatus(200, 'GET', `/v2/a/b/blobs/${empty}`, { headers: { range: 'bytes=0-9' } })
  })
})

describe('a blob with a sha512 digest', () => {
  it('has that digest in every response, and does not exist under its sha256 digest', async () => {
    const named = await registry.pushBlob('a/b', 'long', 'sha512')
    const { headers, text } = await registry.expectStatus(200, 'GET', `/v2/a/b/blobs/${named}`)
    expect([text, headers['docker-content-digest'], headers.etag]).toEqual(['long', named, `"${named}"`])
    await registry.expectStatus(404, 'GET', `/v2/a/b/blobs/${digest('long')}`)
  })
})

describe('DELETE of a blob', () => {
  it('makes it unavailable immediately for GET, HEAD, DELETE and mounts', async () => {
    const response = await registry.expectStatus(202, 'DELETE', path)
    expect(response.headers['content-length']).toBe('0')
    for (const method of ['GET', 'HEAD', 'DELETE']) await registry.expectStatus(404, method, path)
    await registry.expectStatus(202, 'POST', `/v2/c/blobs/uploads/?mount=${blob}&from=a/b`)
    await registry.expectStatus(202, 'POST', `/v2/c/blobs/uploads/?mount=${blob}`)
  })

  it('that does not exist is BLOB_UNKNOWN', async () => {
    expect((await registry.expectStatus(404, 'DELETE', `/v2/a/b/blobs/${ABSENT}`)).code).toBe('BLOB_UNKNOWN')
  })

  it('keeps it in the other repositories that hold it', async () => {
    await registry.pushBlob('c', CONTENT)
    await registry.expectStatus(202, 'DELETE', path)
    expect((await registry.expectStatus(200, 'GET', `/v2/c/blobs/${blob}`)).bytes).toEqual(CONTENT)
  })

  it('is rejected while a manifest needs it, and the error names that manifest', async () => {
    const image = await registry.pushImage('a/b', 'latest', ['layer'])
    const needed = digest('layer')
    const response = await registry.expectStatus(405, 'DELETE', `/v2/a/b/blobs/${needed}`)
    expect(response.code).toBe('UNSUPPORTED')
    expect(response.detail).toEqual({ digest: needed, neededBy: image.digest })
    expect(response.headers.allow).toBe('GET, HEAD')
    await registry.expectStatus(200, 'GET', `/v2/a/b/blobs/${needed}`)
  })

  it('is allowed as soon as no manifest needs it', async () => {
    const needed = `/v2/a/b/blobs/${digest('layer')}`
    const one = await registry.pushImage('a/b', 'one', ['layer'])
    const two = await registry.pushImage('a/b', 'two', ['layer', 'other'])
    await registry.expectStatus(202, 'DELETE', `/v2/a/b/manifests/${one.digest}`)
    await registry.expectStatus(405, 'DELETE', needed)
    await registry.expectStatus(202, 'DELETE', `/v2/a/b/manifests/${two.digest}`)
    await registry.expectStatus(202, 'DELETE', needed)
  })

  it('can be followed by another push of it', async () => {
    await registry.expectStatus(202, 'DELETE', path)
    await registry.pushBlob('a/b', CONTENT)
    expect((await registry.expectStatus(200, 'GET', path)).bytes).toEqual(CONTENT)
  })
})
