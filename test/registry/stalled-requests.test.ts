import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_IDLE_MS } from '../../lambda/registry/session-work.ts'
import { FileBlobs } from '../../lambda/store/files/blobs.ts'
import { digest } from '../support/content.ts'
import { MemoryBlobs } from '../support/memory-blobs.ts'
import { openRegistry, type TestResponse } from '../support/registry.ts'
import { TempDir } from '../support/temp-dir.ts'

const CONTENT = 'the content of a layer'
const DIGEST = digest(CONTENT)

/** A request body whose client decides when bytes arrive and whether they end. */
class Connection implements AsyncIterable<Uint8Array> {
  readonly #queue: (Uint8Array | null)[] = []
  #wake: () => void = () => {}
  /** Whether a reader has read every byte and waits for more. */
  isAwaited = false

  send(text: string): void {
    this.#queue.push(Buffer.from(text))
    this.#wake()
  }
  end(): void {
    this.#queue.push(null)
    this.#wake()
  }
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const piece = this.#queue.shift()
      if (piece === null) return
      if (piece) yield piece
      else
        await new Promise<void>(resolve => {
          this.isAwaited = true
          this.#wake = () => {
            this.isAwaited = false
            resolve()
          }
        })
    }
  }
}

const settle = () => new Promise<void>(resolve => setImmediate(resolve))

/** A registry whose pauses only advance its clock. */
async function open(store: MemoryBlobs | FileBlobs = new MemoryBlobs()) {
  const registry = openRegistry({
    store,
    pause: async milliseconds => {
      registry.wait(milliseconds)
      await settle()
    },
  })
  const location = await registry.beginUpload('app')
  /** Sends a chunk over a connection that stays open. */
  const begin = async (first: number, last: number, text: string) => {
    const connection = new Connection()
    const headers = { 'content-range': `${first}-${last}` }
    const response = registry.request('PATCH', location, { headers, body: connection })
    if (text) connection.send(text)
    let isSettled = false
    void response.then(() => {
      isSettled = true
    })
    while (!connection.isAwaited && !isSettled) await settle()
    return { connection, response }
  }
  const patch = (first: number, text: string) =>
    registry.request('PATCH', location, {
      headers: { 'content-range': `${first}-${first + text.length - 1}` },
      body: text,
    })
  const close = () => registry.expectStatus(201, 'PUT', `${location}&digest=${DIGEST}`)
  return { registry, location, begin, patch, close }
}

describe('a request whose connection broke without a FIN', () => {
  it.each([
    ['in memory', async () => new MemoryBlobs()],
    ['in files', (folder: string) => FileBlobs.open(folder)],
  ])('is replaced by a newer one, %s', async (_, openStore) => {
    using scratch = new TempDir()
    const { registry, begin, patch, close } = await open(await openStore(scratch.path))
    await patch(0, CONTENT.slice(0, 4))
    const older = await begin(4, CONTENT.length - 1, CONTENT.slice(4, 9))

    const newer = await patch(4, CONTENT.slice(4))

    expect([newer.status, newer.headers.range]).toEqual([202, `0-${CONTENT.length - 1}`])
    expect((await older.response).status).toBe(416)
    await close()
    expect((await registry.get(`/v2/app/blobs/${DIGEST}`)).text).toBe(CONTENT)
  })

  it('is replaced by a PUT with the remaining bytes', async () => {
    const { registry, location, begin } = await open()
    await begin(0, 9, 'the')

    await registry.expectStatus(201, 'PUT', `${location}&digest=${DIGEST}`, { body: CONTENT })

    expect((await registry.get(`/v2/app/blobs/${DIGEST}`)).text).toBe(CONTENT)
  })

  it('has none of its bytes recorded when they arrive later', async () => {
    const { begin, patch, close } = await open()
    const older = await begin(0, 9, 'xxxx')
    await patch(0, CONTENT)

    older.connection.send('xxxxxx')
    older.connection.end()

    expect((await older.response).status).toBe(416)
    await close()
  })

  it('is not replaced before it has stalled for ten seconds', async () => {
    const { registry, begin, patch } = await open()
    const older = await begin(0, CONTENT.length - 1, CONTENT.slice(0, 4))
    const began = registry.now()
    let isSettled = false
    const newer = patch(0, CONTENT).finally(() => {
      isSettled = true
    })
    while (!isSettled) await settle()

    expect((await newer).status).toBe(202)
    expect(registry.now() - began).toBeGreaterThanOrEqual(MAX_IDLE_MS)
    expect((await older.response).status).toBe(416)
  })

  it('does not delay a chunk for another position', async () => {
    const { registry, begin, patch } = await open()
    await begin(0, 9, 'the')
    const before = registry.now()

    expect((await patch(5, 'x')).status).toBe(416)

    expect(registry.now()).toBe(before)
  })
})

it('a slow request keeps the session as long as bytes arrive', async () => {
  let connection: Connection | undefined
  const registry = openRegistry({
    pause: async milliseconds => {
      registry.wait(milliseconds)
      connection?.send('x')
      for (let i = 0; i < 20; i++) await settle()
    },
  })
  const location = await registry.beginUpload('app')
  connection = new Connection()
  const older = registry.request('PATCH', location, { body: connection })
  connection.send('x')
  for (let i = 0; i < 20; i++) await settle()

  const newer = await registry.request('PATCH', location, { body: 'y' })

  expect([newer.status, newer.code]).toEqual([416, 'RANGE_INVALID'])
  connection.end()
  expect((await older).status).toBe(202)
})

/** A chunk of a client. It begins at the position of the last response, and stalls, ends later or ends at once. */
const step = fc.record({
  size: fc.integer({ min: 1, max: 6 }),
  sent: fc.integer({ min: 0, max: 6 }),
  fate: fc.constantFrom('stalls', 'ends later', 'ends now'),
  idleMs: fc.constantFrom(0, 3_000, 11_000),
})

it('each acknowledged byte is stored once, whichever requests stall or end late', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async steps => {
      const { registry, location, begin } = await open()
      let acknowledged = 0
      const late: { connection: Connection; response: Promise<TestResponse>; rest: string }[] = []
      const acknowledge = ({ status, headers }: TestResponse) => {
        if (status === 202) acknowledged = Math.max(acknowledged, Number(headers.range?.split('-')[1]) + 1)
      }
      for (const { size, sent, fate, idleMs } of steps) {
        const first = acknowledged
        const text = String.fromCharCode(97 + (first % 26)).repeat(size)
        const some = text.slice(0, fate === 'ends now' ? size : Math.min(sent, size - 1))
        const { connection, response } = await begin(first, first + size - 1, some)
        if (fate === 'ends now') {
          connection.end()
          acknowledge(await response)
        } else late.push({ connection, response, rest: fate === 'stalls' ? '' : text.slice(some.length) })
        registry.wait(idleMs)
      }
      for (const { connection, rest } of late) {
        if (rest) connection.send(rest)
        connection.end()
      }
      for (const { response } of late) acknowledge(await response)

      const { headers } = await registry.expectStatus(204, 'GET', location)
      const [, last] = /^0-(\d+)$/.exec(headers.range ?? '') ?? []
      expect(acknowledged === 0 ? 1 : Number(last) + 1).toBe(Math.max(1, acknowledged))
    }),
    { numRuns: 60 },
  )
})
