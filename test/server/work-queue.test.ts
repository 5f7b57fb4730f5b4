import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { WorkQueue } from '../../server/work-queue.ts'

const settled = () => new Promise(resolve => setImmediate(resolve))

/** Jobs of a queue. The test ends each of them. */
function controlled(queue: WorkQueue) {
  const started: number[] = []
  const ends: (() => void)[] = []
  let count = 0
  return {
    started,
    run(client?: string): Promise<number> {
      const number = count++
      const { promise, resolve } = Promise.withResolvers<void>()
      ends[number] = resolve
      const job = async () => {
        started.push(number)
        await promise
        return number
      }
      return queue.run(job, client)
    },
    end: (number: number) => ends[number]?.(),
  }
}

describe('a work queue', () => {
  it('runs a limited number of jobs, and the others in order of arrival', async () => {
    const { run, end, started } = controlled(new WorkQueue({ running: 2, waiting: 2, perClient: 9 }))
    const jobs = [run(), run(), run(), run()]
    await settled()
    expect(started).toEqual([0, 1])
    end(1)
    await jobs[1]
    await settled()
    expect(started).toEqual([0, 1, 2])
    for (const number of [0, 2, 3]) end(number)
    expect(await Promise.all(jobs)).toEqual([0, 1, 2, 3])
  })

  it('refuses a job at once when the queue is full', async () => {
    const { run, end } = controlled(new WorkQueue({ running: 1, waiting: 1, perClient: 9 }))
    const jobs = [run(), run()]
    await expect(run()).rejects.toMatchObject({ code: 'TOOMANYREQUESTS', headers: { 'retry-after': '2' } })
    for (const number of [0, 1]) end(number)
    await Promise.all(jobs)
  })

  it('accepts jobs of other clients when one client has reached its limit', async () => {
    const { run, end } = controlled(new WorkQueue({ running: 1, waiting: 9, perClient: 2 }))
    const jobs = [run('one'), run('one')]
    await expect(run('one')).rejects.toMatchObject({ code: 'TOOMANYREQUESTS' })
    jobs.push(run('other'))
    for (const number of [0, 1, 3]) end(number)
    expect(await Promise.all(jobs)).toEqual([0, 1, 3])
  })

  it('runs the next job after a job has failed', async () => {
    const queue = new WorkQueue({ running: 1, waiting: 0, perClient: 1 })
    await expect(queue.run(() => Promise.reject(new Error('broken')), 'one')).rejects.toThrow('broken')
    expect(await queue.run(async () => 'done', 'one')).toBe('done')
  })

  it('keeps its limits for any jobs, and is empty at the end', async () => {
    const limits = fc.record({
      running: fc.integer({ min: 1, max: 3 }),
      waiting: fc.nat(4),
      perClient: fc.integer({ min: 1, max: 4 }),
    })
    const jobs = fc.array(fc.record({ client: fc.constantFrom('a', 'b'), steps: fc.nat(4) }), {
      maxLength: 30,
    })
    await fc.assert(
      fc.asyncProperty(limits, jobs, async (limits, jobs) => {
        const queue = new WorkQueue(limits)
        let [running, most] = [0, 0]
        const job = async (steps: number) => {
          most = Math.max(most, ++running)
          for (let step = 0; step < steps; step++) await settled()
          running--
        }
        await Promise.allSettled(jobs.map(({ client, steps }) => queue.run(() => job(steps), client)))
        expect(most).toBeLessThanOrEqual(limits.running)
        expect(running).toBe(0)
        await expect(queue.run(() => job(0), 'a')).resolves.toBeUndefined()
      }),
      { numRuns: 50 },
    )
  })
})
