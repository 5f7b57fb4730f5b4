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
const LATE = digest('comes late')

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

/** One request of every route that asks the table for something. */
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
  it('asks the client to come back when the table is busy', async () => {
    table.error = new TableBusy('throttled')
    const { headers, exchange } = await registry.expectStatus(503, method, target)
    expect(headers['retry-after']).toBe('1')
    expect(exchange).toMatchObject({ code: 'UNAVAILABLE', fault: table.error })
  })

  it('answers an error that nobody foresaw with 500, and lets nothing out but to the log', async () => {
    table.error = new Error('/var/lib/registry.db: secret')
    const { headers, text, exchange } = await registry.expectStatus(500, method, target)
    expect(text + JSON.stringify(headers)).not.toMatch(/secret|var|Error/)
    expect(exchange).toMatchObject({ code: 'UNKNOWN', fault: table.error })
  })
})

it('asks the client of a manifest to come back when the table is busy', async () => {
  table.error = new TableBusy('throttled')
  const { status, headers } = await registry.putManifest('a', 'latest', imageOf())
  expect([status, headers['retry-after']]).toEqual([503, '1'])
})

describe('a full disk', () => {
  it('is 507, and the session goes on once there is room', async () => {
    const location = await registry.beginUpload('a')
    await registry.expectStatus(202, 'PATCH', location, { body: 'the content ' })
    store.error = new StorageFull('no space left on /dev/sda1')
    const answer = await registry.expectStatus(507, 'PATCH', location, { body: 'of a layer' })
    expect(answer.code).toBe('INSUFFICIENT_STORAGE')
    expect(answer.text).not.toContain('sda1')
    expect(answer.exchange.fault).toBe(store.error)
    expect((await registry.expectStatus(204, 'GET', location)).headers.range).toBe('0-11')
    delete store.error
    await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`, { body: 'of a layer' })
    expect((await registry.get(`/v2/a/blobs/${DIGEST}`)).text).toBe(CONTENT)
  })

  it('is 507 where the table is full, and nothing is half written', async () => {
    await registry.pushBlob('a', '{}')
    table.error = new StorageFull('database or disk is full')
    expect((await registry.putManifest('a', 'latest', imageOf())).status).toBe(507)
    delete table.error
    await registry.expectStatus(404, 'GET', '/v2/a/manifests/latest')
    await registry.pushManifest('a', 'latest', imageOf())
  })
})

it('an object that has gone from the store is a blob that is unknown', async () => {
  await registry.pushBlob('a', CONTENT)
  store.error = new ObjectMissing('object')
  expect((await registry.expectStatus(404, 'GET', `/v2/a/blobs/${DIGEST}`)).code).toBe('BLOB_UNKNOWN')
})

it.each(['PATCH', 'PUT'])(
  'where another process has written in the place of a draft, %s is told how far the session is',
  async method => {
    const location = await registry.beginUpload('a')
    await registry.expectStatus(202, 'PATCH', location, { body: 'the ' })
    store.error = new DraftBusy('object')
    const answer = await registry.expectStatus(416, method, `${location}?digest=${DIGEST}`, {
      body: 'content',
    })
    expect([answer.code, answer.headers]).toMatchObject(['RANGE_INVALID', { location, range: '0-3' }])
  },
)

describe('a client that goes away in the middle of', () => {
  async function* cutOff(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('the content ')
    throw new ClientGone()
  }
  const headers = { 'content-length': String(CONTENT.length), 'content-type': OCI_IMAGE }
  const expectNoAnswer = async (method: string, target: string) => {
    const exchange = await registry.exchange(method, target, { headers, body: cutOff() })
    expect(exchange).not.toHaveProperty('response')
    expect(exchange).not.toHaveProperty('fault')
    expect(exchange.repository).toBe('a')
  }

  it.each(['PATCH', 'PUT'])('%s is not answered, and finds its session as it was', async method => {
    const location = await registry.beginUpload('a')
    await registry.expectStatus(202, 'PATCH', location, { body: 'the ' })
    await expectNoAnswer(method, `${location}?digest=${DIGEST}`)
    expect((await registry.expectStatus(204, 'GET', location)).headers.range).toBe('0-3')
    await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`, { body: 'content of a layer' })
  })

  it('POST with the whole blob is not answered, and makes no blob', async () => {
    await expectNoAnswer('POST', `/v2/a/blobs/uploads/?digest=${DIGEST}`)
    await registry.expectStatus(404, 'GET', `/v2/a/blobs/${DIGEST}`)
  })

  it('the push of a manifest is not answered, and makes no manifest', async () => {
    await expectNoAnswer('PUT', '/v2/a/manifests/latest')
    await registry.expectStatus(404, 'GET', '/v2/a/manifests/latest')
  })
})

/** Things that a client does until they succeed. Each gives the status of its last request. */
const ENDEAVOURS: readonly [name: string, attempt: () => Promise<number>][] = [
  [
    'a blob in one request',
    async () => statusOf('POST', `/v2/a/blobs/uploads/?digest=${LATE}`, 'comes late'),
  ],
  [
    'a blob in a session',
    async () => {
      const { status, headers } = await registry.request('POST', '/v2/a/blobs/uploads/')
      if (status !== 202) return status
      const put = () => statusOf('PUT', `${headers.location}?digest=${LATE}`, 'comes late')
      return (await put()) === 201 ? 201 : put()
    },
  ],
  ['a mount', async () => statusOf('POST', `/v2/a/blobs/uploads/?mount=${LATE}&from=source`)],
  [
    'a manifest',
    async () => (await registry.putManifest('a', 'latest?tag=v1&tag=v2', imageOf(['layer']))).status,
  ],
  [
    'a manifest too large for its row',
    async () => {
      const document = imageOf(['layer'], { annotations: { fill: 'x'.repeat(400_000) } })
      return (await registry.putManifest('a', 'latest', document)).status
    },
  ],
]

const statusOf = async (method: string, target: string, body = '') =>
  (await registry.request(method, target, { body })).status

describe.each(ENDEAVOURS)(
  'whichever call of a store fails first, before or after its work: %s',
  (_, attempt) => {
    it.each([
      ['table', false],
      ['table', true],
      ['store', false],
      ['store', true],
    ] as const)('is done by asking again (%s, late: %s)', async (where, late) => {
      await registry.pushBlob('source', 'comes late')
      for (const blob of ['{}', 'layer']) await registry.pushBlob('a', blob)
      const trouble = where === 'table' ? table : store
      for (let after = 0; after < 40; after++) {
        Object.assign(trouble, { error: new Error('connection lost'), after, late, once: true, calls: 0 })
        const first = await attempt()
        const failed = trouble.calls > after
        delete trouble.error
        if (first !== 201) expect(first).toBe(500)
        expect(await attempt()).toBe(201)
        await expectAllReadable()
        await startOver()
        if (!failed) return
      }
      throw new Error('never came through without trouble')
    })

    /** What is there can be read. */
    async function expectAllReadable() {
      for (const tag of (await registry.get('/v2/a/tags/list')).json.tags ?? []) {
        const { headers, bytes } = await registry.expectStatus(200, 'GET', `/v2/a/manifests/${tag}`)
        expect(digest(bytes)).toBe(headers['docker-content-digest'])
      }
      const blob = await registry.get(`/v2/a/blobs/${LATE}`)
      if (blob.status === 200) expect(blob.text).toBe('comes late')
    }

    async function startOver() {
      for (const tag of (await registry.get('/v2/a/tags/list')).json.tags ?? []) {
        const { headers, status } = await registry.head(`/v2/a/manifests/${tag}`)
        if (status === 200)
          await registry.expectStatus(202, 'DELETE', `/v2/a/manifests/${headers['docker-content-digest']}`)
      }
      await registry.request('DELETE', `/v2/a/blobs/${LATE}`)
    }
  },
)

it.each([false, true])(
  'a manifest whose delete failed half way can be deleted again (late: %s)',
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
    throw new Error('never came through without trouble')
  },
)

describe('a session whose end failed after its bytes were found right', () => {
  let location: string
  beforeEach(async () => {
    location = await registry.beginUpload('a')
    Object.assign(store, { error: new Error('disk'), after: 2, once: true, calls: 0 }) // append, digest, commit
    await registry.expectStatus(500, 'PUT', `${location}?digest=${DIGEST}`, { body: CONTENT })
  })

  it('takes no more bytes', async () => {
    const { headers } = await registry.expectStatus(416, 'PATCH', location, { body: 'more' })
    expect(headers.range).toBe(`0-${CONTENT.length - 1}`)
  })

  it('does not become another blob', async () => {
    const other = digest('something else')
    await registry.expectStatus(400, 'PUT', `${location}?digest=${other}`, { body: 'something else' })
  })

  it.each(['', CONTENT])('ends when it is asked to again, with or without the bytes: %j', async body => {
    await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`, { body })
    expect((await registry.get(`/v2/a/blobs/${DIGEST}`)).text).toBe(CONTENT)
  })

  it('takes in bytes that come again, so that whoever sends them hears the answer', async () => {
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
