import { beforeEach, describe, expect, it } from 'vitest'
import type { RepositoryName } from '../../lambda/protocol/name.ts'
import type { UploadId } from '../../lambda/protocol/reference.ts'
import { type DirectObject, directObject } from '../../lambda/store/direct-object.ts'
import { pausedBody } from '../support/bytes.ts'
import { digest, imageOf } from '../support/content.ts'
import { MemoryBlobs } from '../support/memory-blobs.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { GRACE, openRegistry, type TestRegistry, UPLOAD_LIFE } from '../support/registry.ts'

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
  const sign = (name: string, upload: string, expires: number) => {
    signed.push({ name, upload, expires })
    return 'direct=pass'
  }
  registry = openRegistry({ table, store, direct: { readLimit: 100 }, signUpload: sign })
})

async function begin(name = 'a'): Promise<DirectObject> {
  const { headers } = await registry.expectStatus(202, 'POST', `/v2/${name}/blobs/uploads/`)
  return { name: name as RepositoryName, upload: headers['docker-upload-uuid'] as UploadId }
}

/** What a client does that was let through to the store. */
async function write(content: string, name = 'a'): Promise<DirectObject> {
  const session = await begin(name)
  store.write(session, content)
  return session
}

const claim = ({ name, upload }: DirectObject) => registry.directUploads.adopt(name, upload)
const isThere = async (name = 'a') => (await registry.head(`/v2/${name}/blobs/${DIGEST}`)).status === 200

async function passGraces(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    registry.wait(GRACE)
    expect((await registry.collector.run()).failures).toEqual([])
  }
}

describe('an upload URL', () => {
  it('carries a pass for the edge, that ends half a life before the session', async () => {
    const before = Date.UTC(2026, 0, 1)
    const { headers } = await registry.expectStatus(202, 'POST', '/v2/a/b/blobs/uploads/')

    const id = headers['docker-upload-uuid']
    expect(headers.location).toBe(`/v2/a/b/blobs/uploads/${id}?direct=pass`)
    expect(signed).toEqual([{ name: 'a/b', upload: id, expires: before + UPLOAD_LIFE / 2 }])
  })

  it('carries it again when the client asks where the empty session stands', async () => {
    const { upload } = await begin()
    const { headers } = await registry.expectStatus(204, 'GET', `/v2/a/blobs/uploads/${upload}`)

    expect(headers.location).toMatch(/\?direct=pass$/)
  })

  it.each([
    [
      'has bytes already',
      async () => {
        const { upload } = await begin()
        return registry.expectStatus(202, 'PATCH', `/v2/a/blobs/uploads/${upload}`, { body: 'bytes' })
      },
    ],
    [
      'is for SHA-512, which the store does not verify',
      () => registry.expectStatus(202, 'POST', '/v2/a/blobs/uploads/?digest-algorithm=sha512'),
    ],
  ])('carries none when the session %s', async (_, ask) => {
    const { headers } = await ask()

    expect(headers.location).not.toContain('direct=')
  })
})

describe('a blob that a client wrote, and no event has told of yet', () => {
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
    expect(await isThere()).toBe(false)
  })

  it('is found by the manifest that needs it', async () => {
    await registry.pushBlob('a', '{}')
    await registry.pushManifest('a', 'v1', imageOf([LAYER]))
    expect((await registry.expectStatus(200, 'GET', BLOB)).text).toBe(LAYER)
  })

  it('is in no other repository', async () => {
    expect(await isThere('b')).toBe(false)
    expect((await registry.putManifest('b', 'v1', imageOf([LAYER]))).code).toBe('MANIFEST_BLOB_UNKNOWN')
  })

  it('is found among many sessions that were abandoned, and these cost a bounded number of questions', async () => {
    registry = openRegistry({ table, store, direct: { readLimit: 100 } })
    for (let i = 0; i < 600; i++) await begin()
    registry.wait(1)
    await write('among many')
    let asked = 0
    let open = 0
    let mostOpen = 0
    const received = store.findUploaded.bind(store)
    store.findUploaded = async object => {
      asked++
      mostOpen = Math.max(mostOpen, ++open)
      return received(object).finally(() => open--)
    }

    await registry.expectStatus(200, 'HEAD', `/v2/a/blobs/${digest('among many')}`)
    expect(asked).toBeLessThanOrEqual(512)
    expect(mostOpen).toBeLessThanOrEqual(16)
  })

  it('is kept when its event never comes', async () => {
    registry.wait(UPLOAD_LIFE)
    await registry.collector.run()
    registry.wait(GRACE - HOUR)
    await registry.collector.run()

    expect(await isThere()).toBe(true)
  })

  it('goes with its session when the client cancels that', async () => {
    const { upload } = await write('cancelled')
    await registry.expectStatus(204, 'DELETE', `/v2/a/blobs/uploads/${upload}`)
    await passGraces(3)

    expect((await registry.head(`/v2/a/blobs/${digest('cancelled')}`)).status).toBe(404)
    expect(store.objects.has(directObject({ name: 'a' as RepositoryName, upload }))).toBe(false)
  })
})

describe('an event of the store', () => {
  it('makes the blob and ends the session', async () => {
    const session = await write(LAYER)
    await claim(session)

    await registry.expectStatus(404, 'GET', `/v2/a/blobs/uploads/${session.upload}`)
    expect(await isThere()).toBe(true)
  })

  it('may come twice, and at once', async () => {
    const session = await write(LAYER)
    await Promise.all([claim(session), claim(session)])
    await claim(session)
    await registry.pushBlob('a', '{}')
    await registry.pushManifest('a', 'v1', imageOf([LAYER]))
    await passGraces(4)

    expect((await registry.expectStatus(200, 'GET', BLOB)).text).toBe(LAYER)
  })

  it('may race the manifest', async () => {
    await registry.pushBlob('a', '{}')
    for (let i = 0; i < 20; i++) {
      const layer = `layer ${i}`
      const session = await write(layer)
      await Promise.all([claim(session), registry.pushManifest('a', `v${i}`, imageOf([layer]))])
    }
  })

  it('lets the second object go when the blob was there already', async () => {
    await registry.pushBlob('b', LAYER)
    const session = await write(LAYER)
    await claim(session)
    await registry.collector.run()

    expect(await isThere()).toBe(true)
    expect(store.objects.has(directObject(session))).toBe(false)
  })

  it.each([0, 1])('leaves nothing of a request that is at work meanwhile, behind %i others', async others => {
    store.commitOnLastAppend()
    const session = await begin()
    const url = `/v2/a/blobs/uploads/${session.upload}`
    if (others > 0) await registry.expectStatus(202, 'PATCH', url, { body: 'by ' })
    const { body, arrived, go } = pausedBody('u', 's')
    const content = others > 0 ? 'by us' : 'us'
    const put = registry.request('PUT', `${url}?digest=${digest(content)}`, { body })
    await arrived
    store.write(session, LAYER)
    await claim(session)
    await registry.collector.run()
    go()

    expect((await put).code).toBe('BLOB_UPLOAD_UNKNOWN')
    await passGraces(1)
    expect([...store.objects.keys()]).toEqual([directObject(session)])
  })

  it('takes what came of the session by us with it', async () => {
    const session = await begin()
    await registry.expectStatus(202, 'PATCH', `/v2/a/blobs/uploads/${session.upload}`, { body: 'half' })
    store.write(session, LAYER)
    const discarded: string[] = []
    const discard = store.discard.bind(store)
    store.discard = draft => {
      discarded.push(draft.object)
      return discard(draft)
    }
    await claim(session)
    await passGraces(3)

    expect(discarded).toEqual([session.upload])
    expect([...store.objects.keys()].filter(object => object === session.upload)).toEqual([])
    expect(table.all()).toEqual(expect.not.arrayContaining([expect.objectContaining({ what: 'draft' })]))
  })
})

describe('an upload URL that is used again', () => {
  it('leaves the blob as it is, and nothing else', async () => {
    await registry.pushImage('b', 'v1', [LAYER])
    const session = await write(LAYER)
    await claim(session)
    await registry.collector.run()
    store.write(session, 'other bytes')
    await claim(session)
    await passGraces(2)

    expect((await registry.head(`/v2/a/blobs/${digest('other bytes')}`)).status).toBe(404)
    expect(store.objects.has(directObject(session))).toBe(false)
    expect((await registry.expectStatus(200, 'GET', `/v2/b/blobs/${DIGEST}`)).text).toBe(LAYER)
  })

  it('leaves nothing where its bytes are those of a blob that is there already', async () => {
    const session = await begin()
    await registry.expectStatus(204, 'DELETE', `/v2/a/blobs/uploads/${session.upload}`)
    await registry.pushImage('b', 'v1', [LAYER])
    store.write(session, LAYER)
    await claim(session)
    await passGraces(1)

    expect(store.objects.has(directObject(session))).toBe(false)
    expect((await registry.expectStatus(200, 'GET', `/v2/b/blobs/${DIGEST}`)).text).toBe(LAYER)
  })

  it('is noticed by the review of its session where no event tells', async () => {
    const session = await write(LAYER)
    await registry.expectStatus(204, 'DELETE', `/v2/a/blobs/uploads/${session.upload}`)
    await passGraces(3)

    expect(store.objects.has(directObject(session))).toBe(false)
  })

  it('never makes a session that ends as other bytes name these', async () => {
    const session = await begin()
    const url = `/v2/a/blobs/uploads/${session.upload}`
    store.write(session, 'written directly')
    await registry.expectStatus(201, 'PUT', `${url}?digest=${DIGEST}`, { body: LAYER })
    await registry.pushImage('a', 'v1', [LAYER])
    await claim(session)
    await passGraces(3)

    expect((await registry.expectStatus(200, 'GET', BLOB)).text).toBe(LAYER)
    expect(store.objects.has(directObject(session))).toBe(false)
  })
})

describe('a session that was to end as other bytes, when the process ended that received them', () => {
  it('goes when it expires, and so do both', async () => {
    const session = await begin()
    store.write(session, 'written directly')
    const { commit } = store
    store.commit = () => new Promise(() => {})
    void registry.request('PUT', `/v2/a/blobs/uploads/${session.upload}?digest=${DIGEST}`, { body: LAYER })
    await expect.poll(() => table.all().some(row => 'closing' in row)).toBe(true)

    store.commit = commit
    const next = openRegistry({ table, store, direct: { readLimit: 100 } })
    for (let i = 0; i < 3; i++) {
      next.wait(GRACE)
      expect((await next.collector.run()).failures).toEqual([])
    }
    expect(table.all()).toEqual([])
    expect([...store.objects.keys()]).toEqual([])
  })
})

describe('where the store does not tell the digest of what a client wrote', () => {
  beforeEach(() => {
    store.reportsDigests = false
  })

  it('it is read and computed', async () => {
    await write(LAYER)
    expect(await isThere()).toBe(true)
  })

  it('a request that would take too long is told to come back, and the event makes the blob', async () => {
    const large = 'x'.repeat(101)
    await registry.pushBlob('a', '{}')
    const session = await write(large)
    const early = await registry.putManifest('a', 'v1', imageOf([large]))
    expect([early.status, early.code, early.headers['retry-after']]).toEqual([503, 'UNAVAILABLE', '1'])

    const patient = openRegistry({ table, store, direct: { readLimit: 1000 } })
    await patient.directUploads.adopt(session.name, session.upload)
    await registry.pushManifest('a', 'v1', imageOf([large]))
  })
})
