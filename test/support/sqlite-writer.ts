import { writeSync } from 'node:fs'
import { SqliteTable } from '../../lambda/store/sqlite/table.ts'

/**
 * A process for tests to kill. It writes pairs of items, several pairs concurrently, and prints the number of each
 * acknowledged pair. Arguments: the file and the first number. It stops after 20,000 pairs.
 */
const [file = '', first = '0'] = process.argv.slice(2)
const table = new SqliteTable(file)
let next = Number(first)
const end = next + 20_000

async function write(): Promise<void> {
  while (next < end) {
    const n = next++
    const pad = 'x'.repeat(n % 5_000)
    await table.transact(
      { put: { partition: 'left', sort: `${n}`, pad } },
      { put: { partition: 'right', sort: `${n}`, pad } },
      { update: { partition: 'count', sort: 'pairs' }, change: { add: { pairs: 1 } } },
    )
    writeSync(1, `${n}\n`)
  }
}

await Promise.all(Array.from({ length: 8 }, write))
