import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { TempDir } from '../support/temp-dir.ts'
import {
  FunctionFailed,
  Lambda,
  type LambdaOptions,
  PAYLOAD_LIMIT,
  RequestTooLarge,
  TooManyRequests,
} from './emulator/lambda.ts'

/** The event selects the behaviour. */
const FUNCTION = `
let events = 0
console.log('cold')
export async function handler({ what, wait = 0, size = 0 }, context) {
  events++
  await new Promise(resolve => setTimeout(resolve, wait))
  if (what === 'throw') throw new TypeError('requested by the event')
  if (what === 'die') process.exit(1)
  if (what === 'environment') return { ...process.env }
  if (what === 'size') return 'x'.repeat(size)
  return { pid: process.pid, events, left: context.getRemainingTimeInMillis() }
}`

interface Result {
  readonly pid: number
  readonly events: number
  readonly left: number
}

describe('the emulated Lambda', () => {
  const scratch = new TempDir()
  let lambda: Lambda
  const create = (options: Partial<LambdaOptions> = {}) => {
    const bundle = scratch.write('index.mjs', FUNCTION)
    lambda = new Lambda({ bundle, environment: { LONGSHORE_TABLE: 'registry' }, timeout: 10_000, ...options })
  }
  beforeEach(() => create())
  afterEach(async () => {
    await lambda.stop()
    scratch.remove()
  })
  const invoke = async (event: object = {}) => (await lambda.invoke(event)) as Result

  it('reuses a process for the next event', async () => {
    const [first, second] = [await invoke(), await invoke()]

    expect(second).toMatchObject({ pid: first.pid, events: 2 })
    expect(lambda.coldStarts).toBe(1)
    expect(lambda.logs).toBe('cold\n')
  })

  it('sends no process two events at once', async () => {
    const invokeThree = () => Promise.all([1, 2, 3].map(() => invoke({ wait: 50 })))
    const [cold, warm] = [await invokeThree(), await invokeThree()]

    for (const results of [cold, warm]) expect(new Set(results.map(({ pid }) => pid)).size).toBe(3)
    expect(cold.map(({ events }) => events)).toEqual([1, 1, 1])
    expect(warm.map(({ events }) => events)).toEqual([2, 2, 2])
  })

  it('refuses more events at once than the concurrency limit', async () => {
    create({ concurrency: 2 })
    const first = [invoke({ wait: 300 }), invoke({ wait: 300 })]
    const third = invoke()

    await expect(third).rejects.toBeInstanceOf(TooManyRequests)
    await Promise.all(first)
    await expect(invoke()).resolves.toBeDefined()
  })

  it('passes only the configured environment variables to the function', async () => {
    const variables = await lambda.invoke({ what: 'environment' })

    // The process receives events through the last two.
    const names = ['LONGSHORE_TABLE', 'NODE_CHANNEL_FD', 'NODE_CHANNEL_SERIALIZATION_MODE']
    expect(names).toEqual(expect.arrayContaining(Object.keys(variables as object)))
  })

  it('passes the remaining time to the function', async () => {
    const { left } = await invoke({ wait: 100 })

    expect(left).toBeGreaterThan(5_000)
    expect(left).toBeLessThanOrEqual(9_900)
  })

  it.each([
    ['throws', { what: 'throw' }, 'requested by the event'],
    ['dies', { what: 'die' }, 'the environment ended before it responded'],
  ])('fails when the function %s, and handles the next event', async (_, event, message) => {
    await expect(invoke(event)).rejects.toThrow(message)
    await expect(invoke()).resolves.toBeDefined()
  })

  it('ends an invocation after the timeout', async () => {
    create({ timeout: 300 })

    await expect(invoke({ wait: 5_000 })).rejects.toBeInstanceOf(FunctionFailed)
  })

  it('handles the next event after an idle or busy environment was killed', async () => {
    const { pid } = await invoke()
    process.kill(pid, 'SIGKILL')
    await expect.poll(() => invoke().catch(() => undefined)).toBeDefined()
    lambda.onEvent = environment => environment.kill('SIGKILL')
    await expect(invoke()).rejects.toBeInstanceOf(FunctionFailed)
    lambda.onEvent = () => {}

    expect((await invoke()).events).toBe(1)
  })

  it('accepts an event of 6,291,556 bytes and refuses a larger one', async () => {
    const frame = JSON.stringify({ pad: '' }).length
    const event = (size: number) => ({ pad: 'x'.repeat(size - frame) })

    await expect(invoke(event(PAYLOAD_LIMIT))).resolves.toBeDefined()
    await expect(invoke(event(PAYLOAD_LIMIT + 1))).rejects.toBeInstanceOf(RequestTooLarge)
    expect(lambda.payloads).toEqual([PAYLOAD_LIMIT])
  })

  it('returns a result of 6,291,556 bytes and refuses a larger one', async () => {
    const quotes = 2

    expect(await lambda.invoke({ what: 'size', size: PAYLOAD_LIMIT - quotes })).toHaveLength(
      PAYLOAD_LIMIT - quotes,
    )
    await expect(invoke({ what: 'size', size: PAYLOAD_LIMIT - 1 })).rejects.toBeInstanceOf(FunctionFailed)
  })
})
