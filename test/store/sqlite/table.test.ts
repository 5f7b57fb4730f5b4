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

const WRITER = join(import.meta.dirname, '../../support/sqlite-writer.ts')

const freshFolder = () => mkdtemp(join(tmpdir(), 'sqlite-table-'))

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

  it('keeps everything over a restart, in one file', async () => {
    const before = new SqliteTable(file)
    await before.transact({ put: { ...item, bytes: Uint8Array.of(1, 2) } })
    expect(existsSync(`${file}-wal`)).toBe(true)
    await before.close()
    expect(existsSync(`${file}-wal`)).toBe(false)
    const after = new SqliteTable(file)
    expect(await after.get(item)).toEqual({ ...item, bytes: Buffer.of(1, 2) })
    await after.close()
  })

  it('commits what waits when it closes, and takes nothing more', async () => {
    const table = new SqliteTable(file)
    const waiting = table.transact({ put: item })
    await table.close()
    await expect(waiting).resolves.toBeUndefined()
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

  it('refuses a file of a later version and leaves it alone', async () => {
    const later = new DatabaseSync(file)
    later.exec('CREATE TABLE later (x); PRAGMA user_version = 2')
    later.close()
    const before = await readFile(file)
    expect(() => new SqliteTable(file)).toThrow(SchemaTooNew)
    expect(() => new SqliteTable(file)).toThrow(`${file} was written by a newer version`)
    expect(await readFile(file)).toEqual(before)
  })

  it('is busy while another process writes, and works again afterwards', async () => {
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

  it('keeps other processes out when it is opened alone', async () => {
    await new SqliteTable(file).close()
    const table = new SqliteTable(file, { alone: true })
    await table.transact({ put: item })
    const shell = new DatabaseSync(file, { readOnly: true })
    expect(() => shell.prepare('SELECT count(*) FROM items').get()).toThrow('locked')
    shell.close()
    expect(await table.get(item)).toEqual(item)
    await table.close()
  })

  it('lets a transaction that cannot be written down fail alone', async () => {
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

  it('takes back what it wrote when SQLite fails in the middle, and goes on', async () => {
    const table = new SqliteTable(file)
    const shell = new DatabaseSync(file)
    shell.exec(
      `CREATE TRIGGER t BEFORE INSERT ON items WHEN NEW.sort = 'bad' BEGIN SELECT RAISE(ABORT, 'no'); END`,
    )
    shell.close()
    await expect(table.transact({ put: item }, { put: { ...item, sort: 'bad' } })).rejects.toThrow('no')
    expect(await table.query(item.partition)).toEqual([])
    await table.transact({ put: item })
    expect(await table.get(item)).toEqual(item)
    await table.close()
  })

  it('loses no acknowledged transaction to kill -9, and tears none', { timeout: 60_000 }, async () => {
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

describe.skipIf(process.getuid?.() !== 0)('SqliteTable on a full disk (mounts a small one, as root)', () => {
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

  it('says so, keeps what it acknowledged, and goes on when there is room', async () => {
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

  it('answers each of the transactions at once by itself', async () => {
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
})

/** Runs the writer until it has acknowledged so many pairs, kills it, and answers with the numbers it printed. */
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
