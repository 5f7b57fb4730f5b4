import { beforeEach, describe, expect, it } from 'vitest'
import type { RepositoryName } from '../../lambda/protocol/name.ts'
import type { SessionAddress, UploadId } from '../../lambda/protocol/reference.ts'
import type { UploadSession } from '../../lambda/registry/sessions.ts'
import { directObject } from '../../lambda/store/direct-object.ts'
import { pausedBody } from '../support/bytes.ts'
import { digest, imageOf } from '../support/content.ts'
import { MemoryBlobs } from '../support/memory-blobs.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { GRACE_PERIOD, openRegistry, type TestRegistry, UPLOAD_LIFETIME } from '../support/registry.ts'

const LAYER = 'the content of a layer'
const DIGEST = digest(LAYER)
const BLOB = `/v2/a/blobs/${DIGEST}`
const HOUR = 60 * 60 * 1000

let registry: TestRegistry
let store: MemoryBlobs
let table: MemoryTable
let signed: { name: string; upload: string; expires: number }[]
beforeEach(() => {
  store = new MemoryBlobs()
  table = new MemoryTable()
  signed = []
  const sign = ({ name, upload, directUntil }: UploadSession) => {
    if (directUntil === undefined) return 'stream=signature'
    signed.push({ name, upload, expires: directUntil })
    return 'direct=signature'
  }
  registry = openRegistry({ table, store, direct: { readLimit: 100 }, signUpload: sign })
})

async function begin(name = 'a'): Promise<SessionAddress> {
  const { headers } = await registry.expectStatus(202, 'POST', `/v2/${name}/blobs/uploads/`)
  return { name: name as RepositoryName, upload: headers['docker-upload-uuid'] as UploadId }
}

/** Begins a session and writes its object directly to the store, as a client does through CloudFront. */
async function write(content: string, name = 'a'): Promise<SessionAddress> {
  const session = await begin(name)
  store.write(session, content)
  return session
}

const adopt = (session: SessionAddress) => registry.directUploads.adopt(session)
const exists = async (name = 'a') => (await registry.head(`/v2/${name}/blobs/${DIGEST}`)).status === 200

/** Lets grace periods pass, and runs the collector after each. */
async function passGracePeriods(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    registry.wait(GRACE_PERIOD)
    expect((await registry.collector.run()).failures).toEqual([])
  }
}

describe('an upload URL', () => {
  it('contains a signature that expires half a session lifetime before the session', async () => {
    const before = Date.UTC(2026, 0, 1)
    const { headers } = await registry.expectStatus(202, 'POST', '/v2/a/b/blobs/uploads/')

    const id = headers['docker-upload-uuid']
    expect(headers.location).toBe(`/v2/a/b/blobs/uploads/${id}?direct=signature`)
    expect(signed).toEqual([{ name: 'a/b', upload: id, expires: before + UPLOAD_LIFETIME / 2 }])
  })

  it('contains the signature in the response to GET of an empty session', async () => {
    const { upload } = await begin()
    const { headers } = await registry.expectStatus(204, 'GET', `/v2/a/blobs/uploads/${upload}`)

    expect(headers.location).toMatch(/\?direct=signature$/)
  })

  it.each([
    [
      'contains bytes',
      async () => {
        const { upload } = await begin()
        return registry.expectStatus(202, 'PATCH', `/v2/a/blobs/uploads/${upload}`, { body: 'bytes' })
      },
    ],
    [
      'uses SHA-512, which the store does not verify',
      () => registry.expectStatus(202, 'POST', '/v2/a/blobs/uploads/?digest-algorithm=sha512'),
    ],
  ])('contains no signature when the session %s', async (_, send) => {
    const { headers } = await send()

    expect(headers.location).not.toContain('direct=')
  })
})

describe('a directly uploaded blob before its S3 event', () => {
  beforeEach(async () => {
    await write(LAYER)
  })

  it('is found by HEAD', async () => {
    const { headers } = await registry.expectStatus(200, 'HEAD', BLOB)
    expect(headers['content-length']).toBe(String(LAYER.length))
  })

  it('is found by GET', async () => {
    expect((await registry.expectStatus(200, 'GET', BLOB)).text).toBe(LAYER)
  })

  it('is found by DELETE', async () => {
    await registry.expectStatus(202, 'DELETE', BLOB)
    expect(await exists()).toBe(false)
  })

  it('is found by the push of a manifest that needs it', async () => {
    await registry.pushBlob('a', '{}')
    await registry.pushManifest('a', 'v1', imageOf([LAYER]))
    expect((await registry.expectStatus(200, 'GET', BLOB)).text).toBe(LAYER)
  })

  it('does not exist in other repositories', async () => {
    expect(await exists('b')).toBe(false)
    expect((await registry.putManifest('b', 'v1', imageOf([LAYER]))).code).toBe('MANIFEST_BLOB_UNKNOWN')
  })

  it('is found among many abandoned sessions with a limited number of store requests', async () => {
    registry = openRegistry({ table, store, direct: { readLimit: 100 } })
    for (let i = 0; i < 600; i++) await begin()
    registry.wait(1)
    await write('among many')
    let requests = 0
    let open = 0
    let maxOpen = 0
    const findUploaded = store.findUploaded.bind(store)
    store.findUploaded = async object => {
      requests++
      maxOpen = Math.max(maxOpen, ++open)
      return findUploaded(object).finally(() => open--)
    }

    await registry.expectStatus(200, 'HEAD', `/v2/a/blobs/${digest('among many')}`)
    expect(requests).toBeLessThanOrEqual(512)
    expect(maxOpen).toBeLessThanOrEqual(16)
  })

  it('is kept when its event is never delivered', async () => {
    registry.wait(UPLOAD_LIFETIME)
    await registry.collector.run()
    registry.wait(GRACE_PERIOD - HOUR)
    await registry.collector.run()

    expect(await exists()).toBe(true)
  })

  it('is deleted when the client cancels its session', async () => {
    const { upload } = await write('cancelled')
    await registry.expectStatus(204, 'DELETE', `/v2/a/blobs/uploads/${upload}`)
    await passGracePeriods(3)

    expect((await registry.head(`/v2/a/blobs/${digest('cancelled')}`)).status).toBe(404)
    expect(store.objects.has(directObject({ name: 'a' as RepositoryName, upload }))).toBe(false)
  })
})

describe('an S3 event', () => {
  it('creates the blob and ends the session', async () => {
    const session = await write(LAYER)
    await adopt(session)

    await registry.expectStatus(404, 'GET', `/v2/a/blobs/uploads/${session.upload}`)
    expect(await exists()).toBe(true)
  })

  it('may be delivered twice, also concurrently', async () => {
    const session = await write(LAYER)
    await Promise.all([adopt(session), adopt(session)])
    await adopt(session)
    await registry.pushBlob('a', '{}')
    await registry.pushManifest('a', 'v1', imageOf([LAYER]))
    await passGracePeriods(4)

    expect((await registry.expectStatus(200, 'GET', BLOB)).text).toBe(LAYER)
  })

  it('may be concurrent with the push of the manifest', async () => {
    await registry.pushBlob('a', '{}')
    for (let i = 0; i < 20; i++) {
      const layer = `layer ${i}`
      const session = await write(layer)
      await Promise.all([adopt(session), registry.pushManifest('a', `v${i}`, imageOf([layer]))])
    }
  })

  it('discards the object when the blob already exists', async () => {
    await registry.pushBlob('b', LAYER)
    const session = await write(LAYER)
    await adopt(session)
    await registry.collector.run()

    expect(await exists()).toBe(true)
    expect(store.objects.has(directObject(session))).toBe(false)
  })

  it.each([0, 1])('discards the bytes of a concurrent PUT after %i chunks', async chunks => {
    store.commitOnLastAppend()
    const session = await begin()
    const url = `/v2/a/blobs/uploads/${session.upload}`
    if (chunks > 0) await registry.expectStatus(202, 'PATCH', url, { body: 'by ' })
    const { body, arrived, go } = pausedBody('u', 's')
    const content = chunks > 0 ? 'by us' : 'us'
    const put = registry.request('PUT', `${url}?digest=${digest(content)}`, { body })
    await arrived
    store.write(session, LAYER)
    await adopt(session)
    await registry.collector.run()
    go()

    expect((await put).code).toBe('BLOB_UPLOAD_UNKNOWN')
    await passGracePeriods(1)
    expect([...store.objects.keys()]).toEqual([directObject(session)])
  })

  it('discards the draft of the session', async () => {
    const session = await begin()
    await registry.expectStatus(202, 'PATCH', `/v2/a/blobs/uploads/${session.upload}`, { body: 'half' })
    store.write(session, LAYER)
    const discarded: string[] = []
    const discard = store.discard.bind(store)
    store.discard = draft => {
      discarded.push(draft.object)
      return discard(draft)
    }
    await adopt(session)
    await passGracePeriods(3)

    expect(discarded).toEqual([session.upload])
    expect([...store.objects.keys()].filter(object => object === session.upload)).toEqual([])
    expect(table.all()).toEqual(expect.not.arrayContaining([expect.objectContaining({ what: 'draft' })]))
  })
})

describe('an upload URL that is used again', () => {
  it('does not change the blob, and its object is deleted', async () => {
    await registry.pushImage('b', 'v1', [LAYER])
    const session = await write(LAYER)
    await adopt(session)
    await registry.collector.run()
    store.write(session, 'other bytes')
    await adopt(session)
    await passGracePeriods(2)

    expect((await registry.head(`/v2/a/blobs/${digest('other bytes')}`)).status).toBe(404)
    expect(store.objects.has(directObject(session))).toBe(false)
    expect((await registry.expectStatus(200, 'GET', `/v2/b/blobs/${DIGEST}`)).text).toBe(LAYER)
  })

  it('leaves no object when its bytes are those of an existing blob', async () => {
    const session = await begin()
    await registry.expectStatus(204, 'DELETE', `/v2/a/blobs/uploads/${session.upload}`)
    await registry.pushImage('b', 'v1', [LAYER])
    store.write(session, LAYER)
    await adopt(session)
    await passGracePeriods(1)

    expect(store.objects.has(directObject(session))).toBe(false)
    expect((await registry.expectStatus(200, 'GET', `/v2/b/blobs/${DIGEST}`)).text).toBe(LAYER)
  })

  it('is detected by the review of its session when no event is delivered', async () => {
    const session = await write(LAYER)
    await registry.expectStatus(204, 'DELETE', `/v2/a/blobs/uploads/${session.upload}`)
    await passGracePeriods(3)

    expect(store.objects.has(directObject(session))).toBe(false)
  })

  it('does not change the bytes of a blob that the session has committed', async () => {
    const session = await begin()
    const url = `/v2/a/blobs/uploads/${session.upload}`
    store.write(session, 'written directly')
    await registry.expectStatus(201, 'PUT', `${url}?digest=${DIGEST}`, { body: LAYER })
    await registry.pushImage('a', 'v1', [LAYER])
    await adopt(session)
    await passGracePeriods(3)

    expect((await registry.expectStatus(200, 'GET', BLOB)).text).toBe(LAYER)
    expect(store.objects.has(directObject(session))).toBe(false)
  })
})

describe('a closing session whose process has ended, with a directly written object', () => {
  it('is deleted when it expires, with its draft and its object', async () => {
    const session = await begin()
    store.write(session, 'written directly')
    const { commit } = store
    store.commit = () => new Promise(() => {})
    void registry.request('PUT', `/v2/a/blobs/uploads/${session.upload}?digest=${DIGEST}`, { body: LAYER })
    await expect.poll(() => table.all().some(row => 'closing' in row)).toBe(true)

    store.commit = commit
    const next = openRegistry({ table, store, direct: { readLimit: 100 } })
    for (let i = 0; i < 3; i++) {
      next.wait(GRACE_PERIOD)
      expect((await next.collector.run()).failures).toEqual([])
    }
    expect(table.all()).toEqual([])
    expect([...store.objects.keys()]).toEqual([])
  })
})

describe('when the store does not return the digest of a directly uploaded object', () => {
  beforeEach(() => {
    store.reportsDigests = false
  })

  it('the object is read and its digest computed', async () => {
    await write(LAYER)
    expect(await exists()).toBe(true)
  })

  it('a push that would read too much is UNAVAILABLE until the event has created the blob', async () => {
    const large = 'x'.repeat(101)
    await registry.pushBlob('a', '{}')
    const session = await write(large)
    const early = await registry.putManifest('a', 'v1', imageOf([large]))
    expect([early.status, early.code, early.headers['retry-after']]).toEqual([503, 'UNAVAILABLE', '1'])

    const patient = openRegistry({ table, store, direct: { readLimit: 1000 } })
    await patient.directUploads.adopt(session)
    await registry.pushManifest('a', 'v1', imageOf([large]))
  })
})
