import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ConditionFailed, type Key, type Table, type Write } from '../../lambda/store/table.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { runs } from '../support/property-runs.ts'
import { type CreateTable, plain, tableFixture } from '../support/table-fixture.ts'
import { type Step, steps } from '../support/table-steps.ts'
import { tableReads } from './table-reads.ts'
import { tableWrites } from './table-writes.ts'

/**
 * What every Table must do. Each adapter's test file calls this once, with a table that may be shared and slow to make:
 * every test keeps to a partition of its own.
 */
export function tableContract(create: CreateTable): void {
  describe('as a table', () => {
    const corner = tableFixture(create)
    tableReads(corner)
    tableWrites(corner)

    it('answers as the model does, step by step', { timeout: 60_000 }, async () => {
      await fc.assert(
        fc.asyncProperty(steps(), async run => {
          const [real, model] = [corner.table(), new MemoryTable()]
          const space = `${randomUUID()}#`
          for (const step of run)
            expect(await outcome(real, step, space)).toEqual(await outcome(model, step, space))
          for (const name of ['p', 'q'])
            expect((await real.query(space + name)).map(plain)).toEqual(
              (await model.query(space + name)).map(plain),
            )
        }),
        { numRuns: runs(100) },
      )
    })
  })
}

/** What a step comes to on a table, in partitions of its own, as a value to compare. */
async function outcome(table: Table, step: Step, space: string): Promise<unknown> {
  const at = <K extends Key>(key: K): K => ({ ...key, partition: space + key.partition })
  if ('query' in step) return (await table.query(space + step.query, step.range)).map(plain)
  if ('keys' in step) return (await table.getMany(step.keys.map(at))).map(plain)
  const writes = step.writes.map((write): Write => {
    if ('put' in write) return { ...write, put: at(write.put) }
    if ('update' in write) return { ...write, update: at(write.update) }
    return 'delete' in write ? { ...write, delete: at(write.delete) } : { ...write, check: at(write.check) }
  })
  return table.transact(...writes).then(
    () => 'done',
    error => (error instanceof ConditionFailed ? error.failed : 'refused'),
  )
}
