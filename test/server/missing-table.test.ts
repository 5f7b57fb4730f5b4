import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { RepositoryName } from '../../lambda/protocol/name.ts'
import { keys } from '../../lambda/store/keys.ts'
import { SqliteTable } from '../../lambda/store/sqlite/table.ts'
import { refuseMissingTable } from '../../server/missing-table.ts'
import { send } from '../support/http-client.ts'
import { image } from '../support/images.ts'
import { LocalServer } from '../support/local-server.ts'
import { RegistryClient } from '../support/registry-client.ts'
import { freshFolder } from './process.ts'

/** A data folder with the file of a blob. @param table content of the database file; absent: no file */
function folderWith(table?: string) {
  const folder = freshFolder()
  mkdirSync(join(folder.path, 'blobs', 'ab'), { recursive: true })
  mkdirSync(join(folder.path, 'drafts'))
  writeFileSync(join(folder.path, 'blobs', 'ab', 'abc'), 'bytes')
  if (table !== undefined) writeFileSync(join(folder.path, 'registry.sqlite'), table)
  return folder
}

describe('a data folder with blobs', () => {
  it.each([
    ['missing', undefined],
    ['empty', ''],
  ])('is refused when its table is %s, in one line that says what to do', (state, table) => {
    using folder = folderWith(table)

    expect(() => refuseMissingTable(folder.path, false)).toThrow(
      new RegExp(`registry\\.sqlite is ${state}, but .*: restore it from a backup, or .*--new-table$`),
    )
  })

  it('is refused when its table has only accounts', async () => {
    using folder = folderWith()
    const table = new SqliteTable(join(folder.path, 'registry.sqlite'))
    await table.transact({ put: keys.account('ann') })
    await table.close()

    expect(() => refuseMissingTable(folder.path, false)).toThrow('registry.sqlite is empty, but')
  })

  it('is accepted when its table has a row of content, also one that is only in the write-ahead log', async () => {
    using folder = folderWith()
    const table = new SqliteTable(join(folder.path, 'registry.sqlite'))
    await table.transact({ put: keys.repository('app' as RepositoryName) })

    expect(refuseMissingTable(folder.path, false)).toBeUndefined()
    await table.close()
  })

  it('keeps its files when it is refused', () => {
    using folder = folderWith()
    expect(() => refuseMissingTable(folder.path, false)).toThrow()

    expect(readdirSync(folder.path).toSorted()).toEqual(['blobs', 'drafts'])
  })

  it('has its files moved with --new-table', () => {
    using folder = folderWith()

    const movedTo = refuseMissingTable(folder.path, true) ?? ''

    expect(existsSync(join(movedTo, 'blobs', 'ab', 'abc'))).toBe(true)
    expect(readdirSync(folder.path)).toHaveLength(1)
  })

  it('is left unchanged when it has a table, with --new-table or without', () => {
    using folder = folderWith('a table')

    for (const isNewTable of [false, true])
      expect(refuseMissingTable(folder.path, isNewTable)).toBeUndefined()
    expect(existsSync(join(folder.path, 'blobs', 'ab', 'abc'))).toBe(true)
  })
})

it('a new data folder needs no table, also after an interrupted first start', () => {
  using folder = freshFolder()
  expect(refuseMissingTable(folder.path, false)).toBeUndefined()
  mkdirSync(join(folder.path, 'blobs', 'ab'), { recursive: true })
  writeFileSync(join(folder.path, 'registry.sqlite'), '')

  expect(refuseMissingTable(folder.path, false)).toBeUndefined()
})

it('a server refuses to start without its table, and starts empty with --new-table', async () => {
  using folder = freshFolder()
  const pushed = image('missing-table')
  const first = await LocalServer.start({ data: folder.path })
  await new RegistryClient(first.url, 'app').pushImage(pushed, 'v1')
  await first.stop()
  rmSync(join(folder.path, 'registry.sqlite'))

  await expect(LocalServer.start({ data: folder.path })).rejects.toThrow(
    'start an empty registry with --new-table',
  )
  await using second = await LocalServer.start({ data: folder.path, args: ['--new-table'] })

  expect((await send(`${second.url}/v2/app/manifests/v1`)).status).toBe(404)
  await expect.poll(() => second.logs).toContain('files of an earlier registry were moved to')
  const client = new RegistryClient(second.url, 'app')
  await client.pushImage(pushed, 'v1')
  expect(await client.missing(pushed)).toEqual([])
})
