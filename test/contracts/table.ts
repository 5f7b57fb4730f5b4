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
 * The contract of {@link Table}. The test file of each adapter calls this once. All tests share one table, because
 * creating a table can be slow; each test uses its own partitions.
 */
export function tableContract(create: CreateTable): void {
  describe('the table contract', () => {
    const fixture = tableFixture(create)
    tableReads(fixture)
    tableWrites(fixture)

    it('agrees with the model, step by step', { timeout: 60_000 }, async () => {
      await fc.assert(
        fc.asyncProperty(steps(), async run => {
          const [real, model] = [fixture.table(), new MemoryTable()]
          const prefix = `${randomUUID()}#`
          for (const step of run)
            expect(await outcome(real, step, prefix)).toEqual(await outcome(model, step, prefix))
          for (const name of ['p', 'q'])
            expect((await real.query(prefix + name)).map(plain)).toEqual(
              (await model.query(prefix + name)).map(plain),
            )
        }),
        { numRuns: runs(100) },
      )
    })
  })
}

/** The result of a step on a table, as a value to compare. @param prefix put before the names of partitions */
async function outcome(table: Table, step: Step, prefix: string): Promise<unknown> {
  const at = <K extends Key>(key: K): K => ({ ...key, partition: prefix + key.partition })
  if ('query' in step) return (await table.query(prefix + step.query, step.range)).map(plain)
  if ('keys' in step) return (await table.getMany(step.keys.map(at))).map(plain)
  const writes = step.writes.map((write): Write => {
    if ('put' in write) return { ...write, put: at(write.put) }
    if ('update' in write) return { ...write, update: at(write.update) }
    return 'delete' in write ? { ...write, delete: at(write.delete) } : { ...write, check: at(write.check) }
  })
  return table.transact(...writes).then(
    () => 'done',
    error => (error instanceof ConditionFailed ? error.failed : 'rejected'),
  )
}
