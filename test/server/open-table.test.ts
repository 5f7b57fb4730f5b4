import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openTable } from '../../server/open-table.ts'
import { freshFolder } from './process.ts'

const NO_RESERVE = { release: () => false }

describe('opening the database', () => {
  it('creates a missing one', async () => {
    using folder = freshFolder()

    const table = openTable(join(folder.path, 'registry.sqlite'), NO_RESERVE)

    expect(await table.get({ partition: 'a', sort: 'b' })).toBeUndefined()
    await table.close()
  })

  it('names the file when it is not a database', () => {
    using folder = freshFolder()
    const path = join(folder.path, 'registry.sqlite')
    writeFileSync(path, 'not a database, and long enough that SQLite reads it as one'.repeat(100))

    expect(() => openTable(path, NO_RESERVE)).toThrow(
      expect.objectContaining({
        name: 'StartError',
        message: `cannot open ${path}: file is not a database`,
      }),
    )
  })
})
