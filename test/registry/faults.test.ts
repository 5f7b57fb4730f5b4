import { beforeEach, describe, expect, it } from 'vitest'
import { ClientGone } from '../../lambda/http/message.ts'
import { OCI_IMAGE } from '../../lambda/protocol/media-types.ts'
import { DraftBusy, ObjectMissing, StorageFull } from '../../lambda/store/blobs.ts'
import { TableBusy } from '../../lambda/store/table.ts'
import { digest, imageOf } from '../support/content.ts'
import { type Fault, withFault } from '../support/faults.ts'
import { MemoryBlobs } from '../support/memory-blobs.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { openRegistry, type TestRegistry } from '../support/registry.ts'

const CONTENT = 'the content of a layer'
const DIGEST = digest(CONTENT)
const LATE_BLOB = digest('comes late')

let table: Fault
let store: Fault
let registry: TestRegistry
beforeEach(() => {
  table = { calls: 0 }
  store = { calls: 0 }
  registry = openRegistry({
    table: withFault(new MemoryTable(), ['get', 'getMany', 'query', 'transact'], table),
    store: withFault(new MemoryBlobs(), ['append', 'digest', 'commit', 'discard', 'read', 'delete'], store),
  })
})

/** One request of every route that reads the table. */
const REQUESTS: readonly [method: string, target: string][] = [
  ['GET', `/v2/a/blobs/${DIGEST}`],
  ['HEAD', `/v2/a/blobs/${DIGEST}`],
  ['DELETE', `/v2/a/blobs/${DIGEST}`],
  ['GET', '/v2/a/manifests/latest'],
  ['HEAD', '/v2/a/manifests/latest'],
  ['DELETE', '/v2/a/manifests/latest'],
  ['POST', '/v2/a/blobs/uploads/'],
  ['POST', `/v2/a/blobs/uploads/?digest=${digest('')}`],
  ['POST', `/v2/a/blobs/uploads/?mount=${DIGEST}`],
  ['GET', '/v2/a/blobs/uploads/aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa'],
  ['PATCH', '/v2/a/blobs/uploads/aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa'],
  ['PUT', `/v2/a/blobs/uploads/aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa?digest=${DIGEST}`],
  ['DELETE', '/v2/a/blobs/uploads/aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa'],
  ['GET', '/v2/a/tags/list'],
  ['GET', `/v2/a/referrers/${DIGEST}`],
  ['GET', '/v2/_catalog'],
]

describe.each(REQUESTS)('%s %s', (method, target) => {
  it('responds 503 when the table is busy', async () => {
    table.error = new TableBusy('throttled')
    const { headers, exchange } = await registry.expectStatus(503, method, target)
    expect(headers['retry-after']).toBe('1')
    expect(exchange).toMatchObject({ code: 'UNAVAILABLE', fault: table.error })
  })

  it('responds 500 to an unexpected error and reveals it only to the log', async () => {
    table.error = new Error('/var/lib/registry.db: secret')
    const { headers, text, exchange } = await registry.expectStatus(500, method, target)
    expect(text + JSON.stringify(headers)).not.toMatch(/secret|var|Error/)
    expect(exchange).toMatchObject({ code: 'UNKNOWN', fault: table.error })
  })
})

it('the push of a manifest responds 503 when the table is busy', async () => {
  table.error = new TableBusy('throttled')
  const { status, headers } = await registry.putManifest('a', 'latest', imageOf())
  expect([status, headers['retry-after']]).toEqual([503, '1'])
})

describe('a full disk', () => {
  it('responds 507, and the session continues once there is space', async () => {
    const location = await registry.beginUpload('a')
    await registry.expectStatus(202, 'PATCH', location, { body: 'the content ' })
    store.error = new StorageFull('no space left on /dev/sda1')
    const response = await registry.expectStatus(507, 'PATCH', location, { body: 'of a layer' })
    expect(response.code).toBe('INSUFFICIENT_STORAGE')
    expect(response.text).not.toContain('sda1')
    expect(response.exchange.fault).toBe(store.error)
    expect((await registry.expectStatus(204, 'GET', location)).headers.range).toBe('0-11')
    delete store.error
    await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`, { body: 'of a layer' })
    expect((await registry.get(`/v2/a/blobs/${DIGEST}`)).text).toBe(CONTENT)
  })

  it('responds 507 when the table is full, and nothing is written', async () => {
    await registry.pushBlob('a', '{}')
    table.error = new StorageFull('database or disk is full')
    expect((await registry.putManifest('a', 'latest', imageOf())).status).toBe(507)
    delete table.error
    await registry.expectStatus(404, 'GET', '/v2/a/manifests/latest')
    await registry.pushManifest('a', 'latest', imageOf())
  })
})

it('a blob whose object is missing is unknown', async () => {
  await registry.pushBlob('a', CONTENT)
  store.error = new ObjectMissing('object')
  expect((await registry.expectStatus(404, 'GET', `/v2/a/blobs/${DIGEST}`)).code).toBe('BLOB_UNKNOWN')
})

it.each(['PATCH', 'PUT'])(
  '%s responds with the position of the session when another process has written the draft',
  async method => {
    const location = await registry.beginUpload('a')
    await registry.expectStatus(202, 'PATCH', location, { body: 'the ' })
    store.error = new DraftBusy('object')
    const response = await registry.expectStatus(416, method, `${location}?digest=${DIGEST}`, {
      body: 'content',
    })
    expect([response.code, response.headers]).toMatchObject(['RANGE_INVALID', { location, range: '0-3' }])
  },
)

describe('a client that disconnects during', () => {
  async function* cutOff(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('the content ')
    throw new ClientGone()
  }
  const headers = { 'content-length': String(CONTENT.length), 'content-type': OCI_IMAGE }
  const expectNoResponse = async (method: string, target: string) => {
    const exchange = await registry.exchange(method, target, { headers, body: cutOff() })
    expect(exchange).not.toHaveProperty('response')
    expect(exchange).not.toHaveProperty('fault')
    expect(exchange.repository).toBe('a')
  }

  it.each(['PATCH', 'PUT'])('%s gets no response, and its session is unchanged', async method => {
    const location = await registry.beginUpload('a')
    await registry.expectStatus(202, 'PATCH', location, { body: 'the ' })
    await expectNoResponse(method, `${location}?digest=${DIGEST}`)
    expect((await registry.expectStatus(204, 'GET', location)).headers.range).toBe('0-3')
    await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`, { body: 'content of a layer' })
  })

  it('POST with the whole blob gets no response, and makes no blob', async () => {
    await expectNoResponse('POST', `/v2/a/blobs/uploads/?digest=${DIGEST}`)
    await registry.expectStatus(404, 'GET', `/v2/a/blobs/${DIGEST}`)
  })

  it('the push of a manifest gets no response, and makes no manifest', async () => {
    await expectNoResponse('PUT', '/v2/a/manifests/latest')
    await registry.expectStatus(404, 'GET', '/v2/a/manifests/latest')
  })
})

/** Operations that a client repeats until they succeed. Each returns the status of its last request. */
const OPERATIONS: readonly [name: string, attempt: () => Promise<number>][] = [
  [
    'a blob in one request',
    async () => statusOf('POST', `/v2/a/blobs/uploads/?digest=${LATE_BLOB}`, 'comes late'),
  ],
  [
    'a blob in a session',
    async () => {
      const { status, headers } = await registry.request('POST', '/v2/a/blobs/uploads/')
      if (status !== 202) return status
      const put = () => statusOf('PUT', `${headers.location}?digest=${LATE_BLOB}`, 'comes late')
      return (await put()) === 201 ? 201 : put()
    },
  ],
  ['a mount', async () => statusOf('POST', `/v2/a/blobs/uploads/?mount=${LATE_BLOB}&from=source`)],
  [
    'a manifest',
    async () => (await registry.putManifest('a', 'latest?tag=v1&tag=v2', imageOf(['layer']))).status,
  ],
  [
    'a manifest above 350 KB',
    async () => {
      const document = imageOf(['layer'], { annotations: { fill: 'x'.repeat(400_000) } })
      return (await registry.putManifest('a', 'latest', document)).status
    },
  ],
]

const statusOf = async (method: string, target: string, body = '') =>
  (await registry.request(method, target, { body })).status

describe.each(OPERATIONS)('%s, when one call of a port fails,', (_, attempt) => {
  it.each([
    ['table', false],
    ['table', true],
    ['store', false],
    ['store', true],
  ] as const)(
    'succeeds when it is repeated, for every call (port %s, after its effect: %s)',
    async (where, late) => {
      await registry.pushBlob('source', 'comes late')
      for (const blob of ['{}', 'layer']) await registry.pushBlob('a', blob)
      const fault = where === 'table' ? table : store
      for (let after = 0; after < 40; after++) {
        Object.assign(fault, { error: new Error('connection lost'), after, late, once: true, calls: 0 })
        const first = await attempt()
        const failed = fault.calls > after
        delete fault.error
        if (first !== 201) expect(first).toBe(500)
        expect(await attempt()).toBe(201)
        await expectAllReadable()
        await startOver()
        if (!failed) return
      }
      throw new Error('no attempt succeeded at first')
    },
  )

  /** Checks that everything that exists can be read. */
  async function expectAllReadable() {
    for (const tag of (await registry.get('/v2/a/tags/list')).json.tags ?? []) {
      const { headers, bytes } = await registry.expectStatus(200, 'GET', `/v2/a/manifests/${tag}`)
      expect(digest(bytes)).toBe(headers['docker-content-digest'])
    }
    const blob = await registry.get(`/v2/a/blobs/${LATE_BLOB}`)
    if (blob.status === 200) expect(blob.text).toBe('comes late')
  }

  async function startOver() {
    for (const tag of (await registry.get('/v2/a/tags/list')).json.tags ?? []) {
      const { headers, status } = await registry.head(`/v2/a/manifests/${tag}`)
      if (status === 200)
        await registry.expectStatus(202, 'DELETE', `/v2/a/manifests/${headers['docker-content-digest']}`)
    }
    await registry.request('DELETE', `/v2/a/blobs/${LATE_BLOB}`)
  }
})

it.each([false, true])(
  'a manifest whose delete failed can be deleted again (after its effect: %s)',
  async late => {
    for (let after = 0; after < 40; after++) {
      const image = await registry.pushImage('a', 'latest?tag=v1')
      const path = `/v2/a/manifests/${image.digest}`
      Object.assign(table, { error: new Error('connection lost'), after, late, once: true, calls: 0 })
      const first = await statusOf('DELETE', path)
      const failed = table.calls > after
      delete table.error
      if (first !== 202)
        expect([first, await statusOf('DELETE', path)]).toEqual([500, expect.toBeOneOf([202, 404])])
      for (const reference of ['latest', 'v1', image.digest])
        await registry.expectStatus(404, 'GET', `/v2/a/manifests/${reference}`)
      await registry.collector.run()
      for (const blob of ['{}', 'layer'])
        await registry.expectStatus(202, 'DELETE', `/v2/a/blobs/${digest(blob)}`)
      if (!failed) return
    }
    throw new Error('no attempt succeeded at first')
  },
)

describe('a session whose closing failed after its digest was verified', () => {
  let location: string
  beforeEach(async () => {
    location = await registry.beginUpload('a')
    Object.assign(store, { error: new Error('disk'), after: 2, once: true, calls: 0 }) // append, digest, commit
    await registry.expectStatus(500, 'PUT', `${location}?digest=${DIGEST}`, { body: CONTENT })
  })

  it('accepts no more bytes', async () => {
    const { headers } = await registry.expectStatus(416, 'PATCH', location, { body: 'more' })
    expect(headers.range).toBe(`0-${CONTENT.length - 1}`)
  })

  it('cannot be closed as another blob', async () => {
    const other = digest('something else')
    await registry.expectStatus(400, 'PUT', `${location}?digest=${other}`, { body: 'something else' })
  })

  it.each(['', CONTENT])('is closed by a repeated PUT, with or without the bytes: %j', async body => {
    await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`, { body })
    expect((await registry.get(`/v2/a/blobs/${DIGEST}`)).text).toBe(CONTENT)
  })

  it('reads the repeated bytes, so that the client receives the response', async () => {
    let taken = false
    async function* again() {
      yield Buffer.from(CONTENT)
      taken = true
    }
    await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`, { body: again() })
    expect(taken).toBe(true)
  })

  it('can still be cancelled', async () => {
    await registry.expectStatus(204, 'DELETE', location)
    await registry.expectStatus(404, 'GET', `/v2/a/blobs/${DIGEST}`)
  })
})
