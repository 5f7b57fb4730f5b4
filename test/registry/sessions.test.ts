import { beforeEach, describe, expect, it } from 'vitest'
import { pausedBody } from '../support/bytes.ts'
import { digest } from '../support/content.ts'
import { MemoryBlobs } from '../support/memory-blobs.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { GRACE_PERIOD, openRegistry, type TestRegistry } from '../support/registry.ts'

const CONTENT = 'the content of a layer'
const DIGEST = digest(CONTENT)

let registry: TestRegistry
let location: string
beforeEach(async () => {
  registry = openRegistry()
  location = await registry.beginUpload('a')
})

describe('while a request works on a session', () => {
  it('another PATCH is rejected, and none of its bytes are kept', async () => {
    const { body, arrived, go } = pausedBody('the content ', 'of a layer')
    const first = registry.request('PATCH', location, { body })
    await arrived
    const second = await registry.expectStatus(416, 'PATCH', location, { body: 'intruder' })
    expect(second.headers.location).toBe(location)
    expect(second.headers).not.toHaveProperty('range')
    go()
    expect((await first).headers.range).toBe(`0-${CONTENT.length - 1}`)
    await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`)
  })

  it('a closing PUT is rejected', async () => {
    const { body, arrived, go } = pausedBody('the content ', 'of a layer')
    const first = registry.request('PATCH', location, { body })
    await arrived
    await registry.expectStatus(416, 'PUT', `${location}?digest=${digest('')}`)
    go()
    expect((await first).status).toBe(202)
    await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`)
  })

  it('GET reports the stored bytes without those in transit', async () => {
    await registry.expectStatus(202, 'PATCH', location, { body: 'the ' })
    const { body, arrived, go } = pausedBody('content ', 'of a layer')
    const first = registry.request('PATCH', location, { body })
    await arrived
    expect((await registry.expectStatus(204, 'GET', location)).headers.range).toBe('0-3')
    go()
    await first
    expect((await registry.expectStatus(204, 'GET', location)).headers.range).toBe('0-21')
  })

  it('DELETE cancels the session, and the request fails', async () => {
    const { body, arrived, go } = pausedBody('the content ', 'of a layer')
    const first = registry.request('PATCH', location, { body })
    await arrived
    await registry.expectStatus(204, 'DELETE', location)
    go()
    expect((await first).code).toBe('BLOB_UPLOAD_UNKNOWN')
    await registry.expectStatus(404, 'GET', location)
  })

  it('other sessions continue', async () => {
    const { body, arrived, go } = pausedBody('the content ', 'of a layer')
    const first = registry.request('PATCH', location, { body })
    await arrived
    await registry.pushBlob('a', CONTENT)
    go()
    expect((await first).status).toBe(202)
    await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`)
  })
})

it('the same blob can be uploaded in many sessions at the same time', async () => {
  const locations = await Promise.all(
    Array.from({ length: 10 }, (_, i) => registry.beginUpload(i % 2 ? 'a' : 'b')),
  )
  const close = (one: string) => registry.request('PUT', `${one}?digest=${DIGEST}`, { body: CONTENT })
  const responses = await Promise.all(locations.map(close))
  expect(responses.map(response => response.status)).toEqual(Array(10).fill(201))
  for (const name of ['a', 'b'])
    expect((await registry.get(`/v2/${name}/blobs/${DIGEST}`)).text).toBe(CONTENT)
})

it('a cancelled session cannot be closed, although the blob exists', async () => {
  await registry.pushBlob('b', CONTENT)
  await registry.expectStatus(204, 'DELETE', location)
  await registry.expectStatus(404, 'PUT', `${location}?digest=${DIGEST}`, { body: CONTENT })
})

describe('two processes that close one session as the same blob', () => {
  it('both succeed, whichever is faster', async () => {
    const { one, other, url } = await twoProcesses()
    const { body, arrived, go } = pausedBody('the content ', 'of a layer')
    const slow = other.request('PUT', url, { body })
    await arrived
    await one.expectStatus(201, 'PUT', url, { body: CONTENT })
    go()

    expect((await slow).status).toBe(201)
  })

  it('leave no object behind if the blob existed already', async () => {
    const { one, other, url, store } = await twoProcesses()
    store.commitOnLastAppend()
    await one.pushImage('b', 'v1', [CONTENT])
    const kept = [...store.objects.keys()]
    const { body, arrived, go } = pausedBody('the content ', 'of a layer')
    const slow = other.request('PUT', url, { body })
    await arrived
    await one.expectStatus(201, 'PUT', url, { body: CONTENT })
    await one.collector.run()
    go()
    expect((await slow).status).toBe(201)
    one.wait(GRACE_PERIOD)
    await one.collector.run()

    expect([...store.objects.keys()]).toEqual(kept)
  })

  async function twoProcesses() {
    const stores = { table: new MemoryTable(), store: new MemoryBlobs() }
    const [one, other] = [openRegistry(stores), openRegistry(stores)]
    return { one, other, url: `${await one.beginUpload('a')}?digest=${DIGEST}`, ...stores }
  }
})
