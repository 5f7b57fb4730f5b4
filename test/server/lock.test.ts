import { once } from 'node:events'
import { cpSync, existsSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { keys } from '../../lambda/store/keys.ts'
import { SqliteTable } from '../../lambda/store/sqlite/table.ts'
import { databaseIn } from '../../server/data-folder.ts'
import { lockFolder } from '../../server/lock.ts'
import { LocalServer } from '../support/local-server.ts'
import { freshFolder, ServerProcess } from './process.ts'

describe('the lock of a data folder', () => {
  it('can be taken once', () => {
    using folder = freshFolder()
    const lock = lockFolder(folder.path)
    expect(() => lockFolder(folder.path)).toThrow(/^another server is running on the data folder/)
    lock.release()
  })

  it('can be taken again when it was released', () => {
    using folder = freshFolder()
    lockFolder(folder.path).release()
    const lock = lockFolder(folder.path)
    expect(() => lockFolder(folder.path)).toThrow(/^another server is running on the data folder/)
    lock.release()
  })

  it('says why it cannot be taken', () => {
    expect(() => lockFolder('/nonexistent')).toThrow(/^cannot lock the data folder \/nonexistent: /)
  })

  it('refuses a second server in one clear line', async () => {
    using folder = freshFolder()
    await using _ = await ServerProcess.listening(folder.path)
    await using second = new ServerProcess(['--port', '0', '--data', folder.path])
    expect(await second.ended()).toBe(1)
    expect(second.stderr).toBe(`longshore: another server is running on the data folder ${folder.path}\n`)
  })

  it('is released when the server is killed', async () => {
    using folder = freshFolder()
    await using first = await ServerProcess.listening(folder.path)
    first.signal('SIGKILL')
    await first.ended()
    await using second = await ServerProcess.listening(folder.path)
    expect(second.url).toContain('localhost')
  })

  it('is taken by one of several servers that start at the same time', async () => {
    using folder = freshFolder()
    const servers = Array.from({ length: 4 }, () => new ServerProcess(['--port', '0', '--data', folder.path]))
    const listening = servers.map(server => server.says('listens on').then(() => 'listens'))
    const outcomes = await Promise.all(
      servers.map((server, index) => Promise.race([listening[index], server.ended()])),
    )
    for (const server of servers) {
      server.stdout += 'listens on'
      await server[Symbol.asyncDispose]()
    }
    expect(outcomes.toSorted()).toEqual([1, 1, 1, 'listens'])
  })

  it('refuses a second server when the lock file of the first was removed', async () => {
    await using first = await LocalServer.start()
    rmSync(join(first.data, 'lock'))

    for (let attempt = 0; attempt < 2; attempt++)
      expect(() => lockFolder(first.data, 0)).toThrow(
        /^another process has \S+registry\.sqlite open, and the lock file is missing or was replaced: stop/,
      )

    expect(existsSync(join(first.data, 'lock'))).toBe(false)
  })

  it.each<[string, (lock: string) => void]>([
    ['replaced by an empty file', lock => writeFileSync(lock, '')],
    ['replaced by a copy', lock => cpSync(`${lock}.old`, lock)],
  ])('refuses a second server when the lock file of the first was %s', async (_, replace) => {
    using folder = freshFolder()
    await using _first = await openFolder(folder.path)
    const lock = join(folder.path, 'lock')
    renameSync(lock, `${lock}.old`)
    replace(lock)

    expect(() => lockFolder(folder.path, 0)).toThrow('the lock file is missing or was replaced')
  })

  it('waits at the first start for a command that has the database open', async () => {
    using folder = freshFolder()
    await new SqliteTable(databaseIn(folder.path)).close()
    const command = new Worker(
      `const { DatabaseSync } = require('node:sqlite')
      const { parentPort, workerData } = require('node:worker_threads')
      const database = new DatabaseSync(workerData)
      database.prepare('PRAGMA user_version').get()
      setTimeout(() => database.close(), 500)
      parentPort.postMessage('open')`,
      { eval: true, workerData: databaseIn(folder.path) },
    )
    await once(command, 'message')
    expect(() => lockFolder(folder.path, 0)).toThrow('the lock file is missing or was replaced')
    lockFolder(folder.path).release()
    await command.terminate()
  })

  it('can be taken without its file when the earlier server has ended', async () => {
    using folder = freshFolder()
    const first = await openFolder(folder.path)
    rmSync(join(folder.path, 'lock'))
    await first[Symbol.asyncDispose]()

    lockFolder(folder.path).release()

    expect(existsSync(join(folder.path, 'lock'))).toBe(true)
  })

  it('can be taken while a shell reads the database and the lock file exists', async () => {
    using folder = freshFolder()
    await (await openFolder(folder.path))[Symbol.asyncDispose]()
    const shell = new DatabaseSync(join(folder.path, 'registry.sqlite'), { readOnly: true })
    shell.prepare('SELECT count(*) FROM items').get()

    expect(() => lockFolder(folder.path).release()).not.toThrow()

    shell.close()
  })
})

/** Locks a folder and opens its table, as a running server does. */
async function openFolder(path: string): Promise<AsyncDisposable> {
  const lock = lockFolder(path)
  const table = new SqliteTable(databaseIn(path))
  await table.get(keys.account('nobody'))
  return {
    [Symbol.asyncDispose]: async () => {
      await table.close()
      lock.release()
    },
  }
}
