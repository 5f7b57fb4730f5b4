import { describe, expect, it } from 'vitest'
import type { App } from '../../lambda/http/app.ts'
import { closeBody } from '../../lambda/http/body.ts'
import type { HttpRequest } from '../../lambda/http/message.ts'
import { CHECK_INTERVAL_MS, countRequests, powerOff, serveUntilIdle } from '../../server/relay-idle.ts'
import { collect } from '../support/bytes.ts'

/** A keeper that records its calls, on a clock that `pause` moves. */
class RecordingKeeper {
  now = 0
  isIdle = false
  /** Errors and results of the next calls. */
  readonly renewals: (Error | undefined)[] = []
  readonly stops: (Error | boolean)[] = []
  readonly calls: string[] = []
  readonly failures: unknown[] = []

  async renew(): Promise<void> {
    this.calls.push(`renew at ${this.now / 1000}`)
    const error = this.renewals.shift()
    if (error) throw error
  }

  async tryStop(): Promise<boolean> {
    this.calls.push(`stop at ${this.now / 1000}`)
    const result = this.stops.shift() ?? true
    if (result instanceof Error) throw result
    return result
  }

  /** @param endAt when the process gets a signal, in milliseconds */
  serve(endAt = 60_000, stopsWhenIdle = true): Promise<boolean> {
    return serveUntilIdle({
      keeper: this,
      stopsWhenIdle,
      clock: () => this.now,
      pause: async milliseconds => {
        this.now += milliseconds
        return this.now <= endAt
      },
      failed: error => this.failures.push(error),
    })
  }
}

describe('a relay', () => {
  it('reports that it serves at the start and every 20 seconds', async () => {
    const keeper = new RecordingKeeper()

    expect(await keeper.serve(45_000)).toBe(false)

    expect(keeper.calls).toEqual(['renew at 0', 'renew at 20', 'renew at 40'])
  })

  it('logs a failed renewal and repeats it at the next check', async () => {
    const keeper = new RecordingKeeper()
    keeper.renewals.push(new Error('throttled'))

    await keeper.serve(10_000)

    expect(keeper.failures).toEqual([new Error('throttled')])
    expect(keeper.calls).toEqual(['renew at 0', `renew at ${CHECK_INTERVAL_MS / 1000}`])
  })

  it('stops when it is idle', async () => {
    const keeper = new RecordingKeeper()
    keeper.isIdle = true

    expect(await keeper.serve()).toBe(true)
  })

  it('goes on while a push needs it', async () => {
    const keeper = new RecordingKeeper()
    keeper.isIdle = true
    keeper.stops.push(false, false)

    expect(await keeper.serve()).toBe(true)

    expect(keeper.calls).toEqual(['renew at 0', 'stop at 0', 'stop at 5', 'stop at 10'])
  })

  it('goes on when it cannot write that it stops', async () => {
    const keeper = new RecordingKeeper()
    keeper.isIdle = true
    keeper.stops.push(new Error('throttled'))

    expect(await keeper.serve()).toBe(true)

    expect(keeper.failures).toEqual([new Error('throttled')])
  })

  it('never stops by itself when it is configured so', async () => {
    const keeper = new RecordingKeeper()
    keeper.isIdle = true

    expect(await keeper.serve(60_000, false)).toBe(false)
  })
})

describe('countRequests', () => {
  const request = {} as HttpRequest
  const bytes = Buffer.from('content')
  async function* stream() {
    yield bytes
    yield bytes
  }
  /** Returns the app, and a function that returns the number of requests in progress. */
  const counting = (app: App) => {
    let running = 0
    const begin = () => {
      running++
      return () => void running--
    }
    return { counted: countRequests(app, { begin }), running: () => running }
  }

  it('counts a request while the app reads its body', async () => {
    const reading = Promise.withResolvers<void>()
    const { counted, running } = counting(async () => {
      await reading.promise
      return { response: { status: 202, headers: {} } }
    })
    const handled = counted(request)

    expect(running()).toBe(1)
    reading.resolve()
    await handled
    expect(running()).toBe(0)
  })

  it('counts a request until the server has closed the body of its response', async () => {
    const { counted, running } = counting(async () => ({
      response: { status: 200, headers: {}, body: stream() },
    }))
    const { response } = await counted(request)
    const received = await collect(response?.body as AsyncIterable<Uint8Array>)

    expect([received.toString(), running()]).toEqual(['contentcontent', 1])
    await closeBody(response?.body)
    expect(running()).toBe(0)
  })

  it('counts once a response whose body is closed twice before it is read', async () => {
    const { counted, running } = counting(async () => ({
      response: { status: 200, headers: {}, body: stream() },
    }))
    const { response } = await counted(request)
    await closeBody(response?.body)
    await closeBody(response?.body)

    expect(running()).toBe(0)
  })

  it.each([
    ['a response without a body', async () => ({ response: { status: 204, headers: {} } })],
    ['a response with bytes', async () => ({ response: { status: 200, headers: {}, body: bytes } })],
    ['no response', async () => ({})],
    ['an error', () => Promise.reject(new Error('broken'))],
  ] as [string, App][])('ends with %s of the app', async (_, app) => {
    const { counted, running } = counting(app)
    await counted(request).catch(() => {})

    expect(running()).toBe(0)
  })
})

describe('powerOff', () => {
  it('rejects when the command fails', async () => {
    await expect(powerOff('/bin/false')).rejects.toThrow('exit code 1')
  })

  it('rejects when there is no such command', async () => {
    await expect(powerOff('/no/such/command')).rejects.toThrow('ENOENT')
  })
})
