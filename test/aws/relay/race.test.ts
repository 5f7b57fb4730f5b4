import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Item, Key, Write } from '../../../lambda/store/table.ts'
import { MemoryTable } from '../../support/memory-table.ts'
import { runs } from '../../support/property-runs.ts'
import { MINUTE, RelayWorld, SECOND } from './fixture.ts'

/** A table whose calls happen in an order that the scheduler chooses, once there is one. */
class ScheduledTable extends MemoryTable {
  scheduler: fc.Scheduler | undefined

  override async get<T extends Item>(key: Key): Promise<T | undefined> {
    await this.scheduler?.schedule(Promise.resolve(), 'get')
    return super.get<T>(key)
  }

  override async transact(...writes: readonly Write[]): Promise<void> {
    await this.scheduler?.schedule(Promise.resolve(), 'transact')
    return super.transact(...writes)
  }
}

describe('pushes that request the relay while it decides to stop', () => {
  it('either keep it running or start it again, in every order of the reads and writes', async () => {
    const outcomes = new Set<boolean>()
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.integer({ min: 1, max: 4 }), async (scheduler, pushes) => {
        const table = new ScheduledTable()
        const world = new RelayWorld(table)
        await world.waker().wakeAndWait(27 * SECOND)
        await world.pass(20 * MINUTE)

        table.scheduler = scheduler
        const stopping = world.keeper.tryStop()
        const waking = Array.from({ length: pushes }, () => world.waker().wake())
        await scheduler.waitFor(Promise.all([stopping, ...waking]))
        table.scheduler = undefined

        const isStopped = await stopping
        outcomes.add(isStopped)
        const states = (await Promise.all(waking)).map(({ state }) => state)
        expect(states).toEqual(states.map(() => (isStopped ? 'starting' : 'ready')))
        if (isStopped) world.powerOff()
        for (let retry = 0; retry < 2; retry++) await world.waker().wakeAndWait(27 * SECOND)
        expect(await world.waker().isReady()).toBe(true)
      }),
      { numRuns: runs(200) },
    )
    expect(outcomes).toEqual(new Set([true, false]))
  })
})
