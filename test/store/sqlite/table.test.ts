import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { StorageFull } from '../../../lambda/store/blobs.ts'
import { SchemaTooNew, SqliteTable } from '../../../lambda/store/sqlite/table.ts'
import { ConditionFailed, TableBusy } from '../../../lambda/store/table.ts'
import { tableContract } from '../../contracts/table.ts'
import { MemoryTable } from '../../support/memory-table.ts'

const WRITER = join(import.meta.dirname, '../../support/sqlite-writer.ts')

const freshFolder = () => mkdtemp(join(tmpdir(), 'sqlite-table-'))

describe('MemoryTable, the model of the table contract', () => {
  tableContract(async () => ({ table: new MemoryTable(), close: async () => {} }))
})

describe('SqliteTable', () => {
  tableContract(async () => {
    const folder = await freshFolder()
    const table = new SqliteTable(join(folder, 'table.db'))
    const close = async () => {
      await table.close()
      await rm(folder, { recursive: true })
    }
    return { table, close }
  })

  let folder: string
  let file: string
  beforeEach(async () => {
    folder = await freshFolder()
    file = join(folder, 'table.db')
  })
  afterEach(() => rm(folder, { recursive: true }))

  const item = { partition: 'repository#app', sort: 'tag#latest', digest: 'a' }

  it('keeps all items in one file over a restart', async () => {
    const before = new SqliteTable(file)
    await before.transact({ put: { ...item, bytes: Uint8Array.of(1, 2) } })
    expect(existsSync(`${file}-wal`)).toBe(true)
    await before.close()
    expect(existsSync(`${file}-wal`)).toBe(false)
    const after = new SqliteTable(file)
    expect(await after.get(item)).toEqual({ ...item, bytes: Buffer.of(1, 2) })
    await after.close()
  })

  it('commits pending transactions on close, and rejects later ones', async () => {
    const table = new SqliteTable(file)
    const pending = table.transact({ put: item })
    await table.close()
    await expect(pending).resolves.toBeUndefined()
    await expect(table.transact({ put: item })).rejects.toThrow('closed')
    const after = new SqliteTable(file)
    expect(await after.get(item)).toEqual(item)
    await after.close()
  })

  it('can be read with the sqlite3 shell', async () => {
    const table = new SqliteTable(file)
    await table.transact({ put: { ...item, bytes: Buffer.from('{}') } })
    const shell = new DatabaseSync(file, { readOnly: true })
    expect({ ...shell.prepare('SELECT * FROM items').get() }).toEqual({
      partition: 'repository#app',
      sort: 'tag#latest',
      attributes: '{"digest":"a"}',
      bytes: '{"bytes":"e30="}',
    })
    shell.close()
    await table.close()
  })

  it('rejects a file of a later version and does not change it', async () => {
    const later = new DatabaseSync(file)
    later.exec('CREATE TABLE later (x); PRAGMA user_version = 2')
    later.close()
    const before = await readFile(file)
    expect(() => new SqliteTable(file)).toThrow(SchemaTooNew)
    expect(() => new SqliteTable(file)).toThrow(`${file} was written by a newer version`)
    expect(await readFile(file)).toEqual(before)
  })

  it('throws TableBusy while another process writes, and works again afterwards', async () => {
    const table = new SqliteTable(file)
    const shell = new DatabaseSync(file)
    shell.exec('BEGIN IMMEDIATE')
    await expect(table.transact({ put: item })).rejects.toThrow(TableBusy)
    expect(await table.get(item)).toBeUndefined()
    shell.exec('ROLLBACK')
    shell.close()
    await table.transact({ put: item })
    expect(await table.get(item)).toEqual(item)
    await table.close()
  })

  it('locks other processes out with the option exclusive', async () => {
    await new SqliteTable(file).close()
    const table = new SqliteTable(file, { exclusive: true })
    await table.transact({ put: item })
    const shell = new DatabaseSync(file, { readOnly: true })
    expect(() => shell.prepare('SELECT count(*) FROM items').get()).toThrow('locked')
    shell.close()
    expect(await table.get(item)).toEqual(item)
    await table.close()
  })

  it('fails only the transaction that cannot be encoded', async () => {
    const table = new SqliteTable(file)
    const circular: Record<string, never> = {}
    Object.assign(circular, { circular })
    const [first, bad, last] = await Promise.allSettled([
      table.transact({ put: { ...item, sort: 'a' } }),
      table.transact({ put: { ...item, sort: 'b' } }, { put: { ...item, sort: 'c', circular } }),
      table.transact({ put: { ...item, sort: 'd' } }),
    ])
    expect([first?.status, bad?.status, last?.status]).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect((await table.query(item.partition)).map(({ sort }) => sort)).toEqual(['a', 'd'])
    await table.close()
  })

  it('rolls back when SQLite fails during a transaction, and keeps working', async () => {
    const table = new SqliteTable(file)
    const shell = new DatabaseSync(file)
    shell.exec(
      `CREATE TRIGGER t BEFORE INSERT ON items WHEN NEW.sort = 'bad' BEGIN SELECT RAISE(ABORT, 'rejected'); END`,
    )
    shell.close()
    await expect(table.transact({ put: item }, { put: { ...item, sort: 'bad' } })).rejects.toThrow('rejected')
    expect(await table.query(item.partition)).toEqual([])
    await table.transact({ put: item })
    expect(await table.get(item)).toEqual(item)
    await table.close()
  })

  it('keeps every acknowledged transaction completely after kill -9', { timeout: 60_000 }, async () => {
    const acknowledged = new Set<string>()
    for (let round = 0; round < 5; round++) {
      for (const n of await killedWriter(file, round * 100_000, 300 * (round + 1))) acknowledged.add(n)
      const table = new SqliteTable(file)
      const left = await table.query('left')
      const right = await table.query('right')
      expect(left.map(({ sort, pad }) => ({ sort, pad }))).toEqual(
        right.map(({ sort, pad }) => ({ sort, pad })),
      )
      expect(await table.get({ partition: 'count', sort: 'pairs' })).toMatchObject({ pairs: left.length })
      const found = new Set(left.map(({ sort }) => sort))
      expect([...acknowledged].filter(n => !found.has(n))).toEqual([])
      await table.close()
    }
    expect(acknowledged.size).toBeGreaterThanOrEqual(300 * 15)
  })
})

describe.skipIf(process.getuid?.() !== 0)(
  'SqliteTable on a full disk (mounts a tmpfs, which needs root)',
  () => {
    let disk: string
    let table: SqliteTable
    beforeEach(async () => {
      disk = await freshFolder()
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk])
      table = new SqliteTable(join(disk, 'table.db'))
    })
    afterEach(async () => {
      await table.close().finally(() => execFileSync('umount', ['--lazy', disk]))
      await rm(disk, { recursive: true })
    })

    const item = { partition: 'small', sort: 'x', digest: 'a' }
    const large = (sort: string) => ({ put: { partition: 'large', sort, pad: 'x'.repeat(50_000) } })
    const fill = async () => {
      for (let n = 0; n < 100; n++) await table.transact(large(`${n}`))
    }

    it('throws StorageFull, keeps acknowledged items, and works again when there is room', async () => {
      const ballast = join(disk, 'ballast')
      await writeFile(ballast, new Uint8Array(500_000))
      await table.transact({ put: item })
      await expect(fill()).rejects.toThrow(StorageFull)
      const kept = await table.query('large')
      expect(kept.length).toBeGreaterThan(0)
      await expect(table.transact(large('more'), large('and more'))).rejects.toThrow(StorageFull)
      expect(await table.query('large')).toEqual(kept)
      await rm(ballast)
      await table.transact(large('more'))
      await table.close()
      table = new SqliteTable(join(disk, 'table.db'))
      expect(await table.get(item)).toEqual(item)
      expect(await table.query('large')).toHaveLength(kept.length + 1)
    })

    it('gives each of several concurrent transactions its own result', async () => {
      await expect(fill()).rejects.toThrow(StorageFull)
      const outcomes = await Promise.allSettled([
        table.transact({ put: { ...large('0').put, pad: 'x'.repeat(1_500_000) } }),
        table.transact({ put: item, if: 'present' }),
        table.transact({ delete: { partition: 'large', sort: '1' } }),
      ])
      const reasons = outcomes.map(outcome => (outcome.status === 'rejected' ? outcome.reason : undefined))
      expect(reasons).toEqual([expect.any(StorageFull), expect.any(ConditionFailed), undefined])
      expect(await table.get({ partition: 'large', sort: '1' })).toBeUndefined()
    })
  },
)

/** Runs the writer until it has acknowledged this many pairs, kills it, and returns the numbers that it printed. */
async function killedWriter(file: string, first: number, pairs: number): Promise<string[]> {
  const writer = spawn(process.execPath, [WRITER, file, String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let printed = ''
  let lines = 0
  writer.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text
    lines += text.split('\n').length - 1
    if (lines >= pairs) writer.kill('SIGKILL')
  })
  const [, signal] = await once(writer, 'close')
  expect(signal).toBe('SIGKILL')
  return printed.split('\n').slice(0, -1)
}
