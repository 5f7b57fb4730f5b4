import { beforeEach, describe, expect, it } from 'vitest'
import { RepositorySource } from '../../../lambda/client/registry/repository-source.ts'
import { RepositoryTarget } from '../../../lambda/client/registry/repository-target.ts'
import { uploadBlob } from '../../../lambda/client/registry/upload.ts'
import { parseDigest } from '../../../lambda/protocol/digest.ts'
import { parseRepositoryName } from '../../../lambda/protocol/name.ts'
import { parseTag } from '../../../lambda/protocol/reference.ts'
import { bytesOf, collect, patternBytes } from '../../support/bytes.ts'
import { clientOf } from '../../support/client.ts'
import { descriptorOf } from '../../support/content.ts'
import { artifact, image } from '../../support/images.ts'
import { emptyResponse, MemoryServer } from '../../support/memory-server.ts'

const NAME = parseRepositoryName('team/app')
const MiB = 1024 * 1024

let server: MemoryServer
beforeEach(async () => {
  server = await MemoryServer.start()
  return () => server.stop()
})
const source = () => new RepositorySource(clientOf(server.host), NAME)
const target = () => new RepositoryTarget(clientOf(server.host), NAME)

function blobOf(bytes: Buffer) {
  const { mediaType, digest, size } = descriptorOf(bytes)
  return { mediaType, digest: parseDigest(digest), size }
}

/** Splits content as a stream of a file does. */
const open = (bytes: Buffer) => () => bytesOf(bytes.subarray(0, 70_000), bytes.subarray(70_000))

describe('an upload', () => {
  const bytes = patternBytes(200_000)
  const options = (maxPut?: number) => ({
    registry: clientOf(server.host),
    repository: NAME,
    scopes: [],
    digest: blobOf(bytes).digest,
    size: bytes.length,
    open: open(bytes),
    ...(maxPut && { maxPut }),
  })
  const stored = async () =>
    (await server.repository(NAME).digestOfBlob(blobOf(bytes).digest)) === blobOf(bytes).digest

  it('is one PUT that has a length and no other body', async () => {
    const lengths: (string | undefined)[] = []
    server.intercept = ({ method, headers }) => {
      if (method !== 'GET')
        lengths.push(`${method} ${headers['content-length']} ${headers['transfer-encoding']}`)
      return undefined
    }
    await uploadBlob(options())
    expect(lengths).toEqual(['POST 0 undefined', 'PUT 200000 undefined'])
    expect(await stored()).toBe(true)
  })

  it('is sent in parts when it is larger than one PUT may be', async () => {
    const large = patternBytes(9 * MiB)
    const ranges: (string | undefined)[] = []
    server.intercept = ({ method, headers }) => {
      if (method === 'PATCH') ranges.push(headers['content-range'])
      return undefined
    }
    await uploadBlob({
      ...options(),
      size: large.length,
      digest: blobOf(large).digest,
      open: open(large),
      maxPut: 8 * MiB,
    })
    expect(ranges).toEqual([`0-${4 * MiB - 1}`, `${4 * MiB}-${8 * MiB - 1}`, `${8 * MiB}-${9 * MiB - 1}`])
    expect(server.served.at(-1)).toMatch(/^PUT .* 201$/)
  })

  it('is sent in parts where the registry refuses its length', async () => {
    server.intercept = ({ method, headers }) =>
      method === 'PUT' && Number(headers['content-length']) > 0 ? emptyResponse(413) : undefined
    await uploadBlob(options())
    expect(await stored()).toBe(true)
  })

  it('begins anew in another session when it fails for a passing reason', async () => {
    let failed = 0
    server.intercept = ({ method }) => (method === 'PUT' && failed++ === 0 ? emptyResponse(503) : undefined)
    await uploadBlob(options())
    expect(server.count(/^POST .* 202/)).toBe(2)
    expect(await stored()).toBe(true)
  })

  it('fails with the reason of the registry', async () => {
    const digest = blobOf(Buffer.from('other')).digest
    await expect(uploadBlob({ ...options(), digest })).rejects.toThrow(
      new RegExp(`^${server.host} refused blob ${digest} in team/app: .*digest.* \\(400\\)$`),
    )
  })
})

describe('a blob of a registry', () => {
  const bytes = Buffer.from(patternBytes(300_000))
  const blob = blobOf(bytes)
  beforeEach(() => server.repository(NAME).pushBlob({ ...blob, bytes }))

  it('is read from the place where the connection broke', async () => {
    const ranges: (string | undefined)[] = []
    let broken = 0
    server.intercept = ({ method, headers, path }) => {
      if (method === 'GET' && path.includes('/blobs/')) ranges.push(headers.range)
      return undefined
    }
    server.change = (response, { method, path }) => {
      if (method !== 'GET' || !path.includes('/blobs/') || broken++ > 0) return response
      const part = async function* () {
        yield bytes.subarray(0, 100_000)
        throw new Error('broken')
      }
      return { ...response, body: part() }
    }
    expect((await collect(source().blob(blob))).equals(bytes)).toBe(true)
    expect(ranges).toEqual([undefined, 'bytes=100000-299999'])
  })

  it('is read by range', async () => {
    const part = await collect(source().blob(blob, { first: 10, last: 99 }))
    expect(part.equals(bytes.subarray(10, 100))).toBe(true)
  })

  it('is read by range where the registry ignores ranges', async () => {
    server.intercept = request => {
      if (request.headers.range) Object.assign(request.headers, { range: undefined })
      return undefined
    }
    const part = await collect(source().blob(blob, { first: 70_000, last: 150_000 }))
    expect(part.equals(bytes.subarray(70_000, 150_001))).toBe(true)
  })

  it('that the registry does not have is an error that names it', async () => {
    const { digest } = blobOf(Buffer.from('absent'))
    await expect(collect(source().blob({ ...blob, digest }))).rejects.toThrow(
      `cannot read blob ${digest} of ${server.host}/team/app: `,
    )
  })
})

describe('a manifest of a registry', () => {
  it.each(['application/json', 'text/plain; charset=utf-8', ''])(
    'that is sent as %j has the media type of its own field',
    async type => {
      const one = image('one')
      await server.repository(NAME).pushImage(one, 'v1')
      server.change = response => ({ ...response, headers: { ...response.headers, 'content-type': type } })
      const { mediaType } = await source().manifest({ kind: 'tag', tag: parseTag('v1') })
      expect(mediaType).toBe(one.manifest.mediaType)
    },
  )

  it('with other bytes than its digest says is refused', async () => {
    const { manifest } = image('one')
    server.intercept = ({ path }) => {
      if (!path.includes('/manifests/')) return undefined
      const headers = { 'content-type': manifest.mediaType, 'content-length': '2' }
      return { status: 200, headers, body: Buffer.from('{}') }
    }
    const digest = parseDigest(manifest.digest)
    await expect(source().manifest({ kind: 'digest', digest })).rejects.toThrow(
      /other bytes than its digest says/,
    )
  })
})

describe('referrers', () => {
  const subject = image('subject')
  const signature = artifact('application/example.signature', 'signed', subject.manifest)
  const withoutApi = () => {
    server.intercept = ({ path }) => (path.includes('/referrers/') ? emptyResponse(404) : undefined)
    server.change = response => {
      const { 'oci-subject': _, ...headers } = response.headers
      return { ...response, headers }
    }
  }
  const push = async () => {
    await server.repository(NAME).pushImage(subject, 'v1')
    for (const blob of signature.blobs) await server.repository(NAME).pushBlob(blob)
    const { mediaType, digest, bytes } = signature.manifest
    await target().putManifest({ mediaType, digest: parseDigest(digest), bytes })
  }

  it.each(['with', 'without'])('are found in a registry %s the referrers API', async which => {
    if (which === 'without') withoutApi()
    await push()
    await push()
    expect(await source().referrers(parseDigest(subject.manifest.digest))).toEqual([
      signature.manifest.digest,
    ])
  })

  it('leaves the list of a registry alone that keeps it', async () => {
    await push()
    expect(await source().tags()).toEqual(['v1'])
  })
})

describe('a blob that the target has', () => {
  const blob = blobOf(Buffer.from('content'))

  it.each([302, 307])('is found where HEAD is a redirect (%i), which is not followed', async status => {
    server.intercept = ({ method }) =>
      method === 'HEAD' ? emptyResponse(status, { location: 'https://store.invalid/x' }) : undefined
    expect(await target().findBlob(blob, undefined)).toBe('exists')
  })
})

describe('tags', () => {
  it('that are none are left out', async () => {
    await server.repository(NAME).pushImage(image('one'), 'v1')
    server.intercept = ({ path }) => {
      const body = Buffer.from('{"tags":["v1","../x",7,null]}')
      if (!path.endsWith('/tags/list')) return undefined
      return { status: 200, headers: { 'content-length': String(body.length) }, body }
    }
    expect(await source().tags()).toEqual(['v1'])
  })

  it('are read from all pages', async () => {
    const repository = server.repository(NAME)
    const one = image('one')
    for (const tag of ['a', 'b', 'c']) await repository.pushImage(one, tag)
    server.intercept = ({ path, query }) => {
      if (path.endsWith('/tags/list') && !query.has('n')) {
        const body = Buffer.from('{"tags":["first"]}')
        return {
          status: 200,
          headers: {
            'content-length': String(body.length),
            link: '</v2/team/app/tags/list?n=2>; rel="next"',
          },
          body,
        }
      }
      return undefined
    }
    expect(await source().tags()).toEqual(['first', 'a', 'b', 'c'].map(parseTag))
  })
})
