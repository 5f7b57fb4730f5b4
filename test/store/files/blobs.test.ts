import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { createServer, get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { type Draft, StorageFull } from '../../../lambda/store/blobs.ts'
import { FileBlobs } from '../../../lambda/store/files/blobs.ts'
import { blobsContract } from '../../contracts/blobs.ts'
import { bytesOf, bytesThenError, collect, digestBytes, patternBytes } from '../../support/bytes.ts'
import { canListOpenFiles, openFiles } from '../../support/open-files.ts'

const folders: string[] = []
afterAll(() => Promise.all(folders.map(folder => rm(folder, { recursive: true, force: true }))))
const freshFolder = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'longshore-blobs-'))
  folders.push(folder)
  return folder
}

blobsContract(async () => {
  const root = await freshFolder()
  return { store: await FileBlobs.open(root), reopen: () => FileBlobs.open(root) }
})

describe('FileBlobs', () => {
  let root: string
  let store: FileBlobs
  beforeEach(async () => {
    root = await freshFolder()
    store = await FileBlobs.open(root)
  })

  const files = async () => {
    const entries = await readdir(root, { recursive: true, withFileTypes: true })
    return entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  }

  it.each([
    '',
    '.',
    '..',
    '../escaped',
    'a/b',
    'a\\b',
    '/etc/passwd',
    'a\0b',
    '.hidden',
    `a${'b'.repeat(300)}`,
  ])('rejects the object name %j, which is not a plain file name', async object => {
    const draft: Draft = { object, size: 0, algorithm: 'sha256', state: null }

    expect(() => store.begin(object, 'sha256')).toThrow(TypeError)
    await expect(store.append(draft, bytesOf('x'))).rejects.toThrow(TypeError)
    await expect(store.commit(draft)).rejects.toThrow(TypeError)
    await expect(store.discard(draft)).rejects.toThrow(TypeError)
    await expect(store.read(object)).rejects.toThrow(TypeError)
    await expect(store.stat(object)).rejects.toThrow(TypeError)
    await expect(store.delete(object)).rejects.toThrow(TypeError)
  })

  it('returns no presigned URL', async () => {
    expect(await store.presign()).toBeUndefined()
  })

  it('leaves no file of discarded or deleted content', async () => {
    const open = await store.append(store.begin('open', 'sha256'), bytesOf('x'))
    const committed = await store.append(store.begin('committed', 'sha256'), bytesOf('x'))
    const deleted = await store.append(store.begin('deleted', 'sha256'), bytesOf('x'))
    await store.commit(committed)
    await store.commit(deleted)
    expect(await files()).toHaveLength(3)

    await store.discard(open)
    await store.discard(committed)
    await store.delete('deleted')

    expect(await files()).toEqual([])
  })

  it('leaves no file when a draft is discarded during its first append', async () => {
    const draft = store.begin('raced', 'sha256')
    const appending = expect(store.append(draft, bytesOf('x'))).rejects.toThrow()
    await store.discard(draft)
    await appending

    expect(await files()).toEqual([])
  })

  it('rejects a draft whose file has lost bytes', async () => {
    const draft = await store.append(store.begin('short', 'sha256'), bytesOf('some'))
    const more = { ...draft, size: 5 }
    const reopened = await FileBlobs.open(root)

    await expect(reopened.append(more, bytesOf('x'))).rejects.toThrow()
    await expect(reopened.digest(more, 'sha256')).rejects.toThrow()
    await expect(reopened.commit(more)).rejects.toThrow()
    expect(await reopened.digest(draft, 'sha256')).toBe(digestBytes('sha256', 'some'))
  })

  it.each([true, false])(
    'may reuse the buffer of a piece after a socket has written it (content-length: %s)',
    async withLength => {
      const whole = patternBytes(8_000_000)
      await store.commit(await store.append(store.begin('sent', 'sha256'), bytesOf(whole)))
      const server = createServer(async (_, outgoing) => {
        if (withLength) outgoing.setHeader('content-length', whole.length)
        for await (const piece of await store.read('sent'))
          await new Promise(done => outgoing.write(piece, done))
        outgoing.end()
      }).listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo

      const [incoming] = (await once(get({ host: '127.0.0.1', port }), 'response')) as [IncomingMessage]
      // The server's socket fills up before the client takes its first byte.
      await wait(50)
      const received = await collect(incoming)
      server.close()

      expect(received.equals(whole)).toBe(true)
    },
  )

  describe.skipIf(!canListOpenFiles)('closes its files', () => {
    const commit = async () => {
      const draft = await store.append(store.begin('object', 'sha256'), bytesOf(patternBytes(3_000_000)))
      await store.commit(draft)
    }

    it('when a reader reads to the end', async () => {
      await commit()
      await collect(await store.read('object'))

      expect(openFiles(root)).toEqual([])
    })

    it('when a reader stops early', async () => {
      await commit()
      for await (const _ of await store.read('object')) break

      expect(openFiles(root)).toEqual([])
    })

    it('when the consumer of a reader throws', async () => {
      await commit()
      const reading = async () => {
        for await (const _ of await store.read('object')) throw new Error('the client went away')
      }
      await expect(reading()).rejects.toThrow('the client went away')

      expect(openFiles(root)).toEqual([])
    })

    it('when a reader returns before its first read', async () => {
      await commit()
      const reader = (await store.read('object'))[Symbol.asyncIterator]()
      expect(openFiles(root)).toHaveLength(1)
      await reader.return?.()

      expect(openFiles(root)).toEqual([])
      expect(await reader.next()).toEqual({ done: true, value: undefined })
    })

    it('after a failed append, a digest and a commit', async () => {
      const draft = await store.append(store.begin('draft', 'sha256'), bytesOf('x'))
      await store.append(draft, bytesThenError(new Error('gone'), patternBytes(3_000_000))).catch(() => {})
      await store.digest(draft, 'sha512')
      await store.commit(draft)

      expect(openFiles(root)).toEqual([])
    })
  })

  describe('killed during its work', () => {
    const child = fileURLToPath(new URL('../../support/append-forever.ts', import.meta.url))

    /**
     * Starts a writer, kills it `after` milliseconds or when it prints `until`, and returns the lines that it printed.
     */
    const runKilled = async (draft: Draft, rounds: number, end: { after: number } | { until: string }) => {
      const writer = spawn(process.execPath, [child, root, JSON.stringify(draft), String(rounds)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const exited = once(writer, 'exit')
      const lines: string[] = []
      const reading = (async () => {
        for await (const line of createInterface(writer.stdout)) {
          lines.push(line)
          if ('after' in end ? lines.length === 1 : line === end.until) {
            if ('after' in end) await wait(end.after)
            writer.kill('SIGKILL')
          }
        }
      })()
      await exited
      await reading
      return lines
    }

    const expected = (size: number) => {
      const pieces: Buffer[] = []
      for (let at = 0; at < size; at += 2_100_000)
        pieces.push(patternBytes(100_000, at), patternBytes(2_000_000, at + 1))
      return Buffer.concat(pieces)
    }

    it('keeps every acknowledged append, and the draft can be continued', async () => {
      let draft = store.begin('killed', 'sha256')
      for (const after of [0, 3, 7, 12, 20]) {
        const lines = await runKilled(draft, 1000, { after })
        draft = JSON.parse(lines.at(-1) ?? '')
        const digest = await (await FileBlobs.open(root)).digest(draft, 'sha256')
        expect(digest).toBe(digestBytes('sha256', expected(draft.size)))
      }
      await store.commit(draft)

      expect((await collect(await store.read('killed'))).equals(expected(draft.size))).toBe(true)
      expect(await files()).toHaveLength(1)
    }, 60_000)

    it('has the object after an acknowledged commit, which can be repeated', async () => {
      for (const object of ['first', 'second', 'third']) {
        const lines = await runKilled(store.begin(object, 'sha256'), 1, { until: 'committed' })
        const draft: Draft = JSON.parse(lines[0] ?? '')
        expect((await collect(await store.read(object))).equals(expected(2_100_000))).toBe(true)
        await store.commit(draft)

        expect(await store.stat(object)).toEqual({ size: 2_100_000 })
      }
    }, 60_000)

    it('can repeat a commit that was interrupted anywhere', async () => {
      for (const [round, after] of [0, 0.2, 0.5, 1, 2].entries()) {
        const object = `commit-${round}`
        const lines = await runKilled(store.begin(object, 'sha256'), 1, { after })
        await store.commit(JSON.parse(lines[0] ?? ''))

        expect((await collect(await store.read(object))).equals(expected(2_100_000))).toBe(true)
      }
    }, 60_000)
  })

  describe('on a full disk (mounts a tmpfs, which needs root)', async () => {
    const small = await smallDisk()

    it.skipIf(!small)(
      'rejects with StorageFull, and the draft can be continued when there is room again',
      async () => {
        const store = await FileBlobs.open(join(small ?? '', 'data'))
        const ballast = await store.append(store.begin('ballast', 'sha256'), bytesOf(patternBytes(4_000_000)))
        const draft = await store.append(store.begin('draft', 'sha256'), bytesOf('kept'))

        for (let attempt = 0; attempt < 2; attempt++) {
          const pieces = Array.from({ length: 150 }, () => patternBytes(65_536))
          await expect(store.append(draft, bytesOf(...pieces))).rejects.toBeInstanceOf(StorageFull)
        }
        expect(await store.digest(draft, 'sha256')).toBe(digestBytes('sha256', 'kept'))

        await store.discard(ballast)
        const more = patternBytes(5_000_000)
        const longer = await store.append(draft, bytesOf(more))
        await store.commit(longer)

        const whole = Buffer.concat([Buffer.from('kept'), more])
        expect(await store.digest(longer, 'sha256')).toBe(digestBytes('sha256', whole))
        expect((await collect(await store.read('draft'))).equals(whole)).toBe(true)
      },
    )

    it.skipIf(!small)('rejects with StorageFull when only the last bytes do not fit', async () => {
      const store = await FileBlobs.open(join(small ?? '', 'last'))
      let ballast = store.begin('ballast', 'sha256')
      const fill = async () => {
        for (;;) ballast = await store.append(ballast, bytesOf(patternBytes(100_000)))
      }
      await expect(fill()).rejects.toBeInstanceOf(StorageFull)
      await store.discard(ballast)
    })

    it.skipIf(!small)('frees the space of a failed append at once', async () => {
      const store = await FileBlobs.open(join(small ?? '', 'room'))
      const draft = store.begin('too-large', 'sha256')
      await expect(store.append(draft, bytesOf(patternBytes(9_000_000)))).rejects.toBeInstanceOf(StorageFull)

      const other = await store.append(store.begin('other', 'sha256'), bytesOf(patternBytes(1_000_000)))
      expect(other.size).toBe(1_000_000)
    })
  })
})

/** Mounts a tmpfs of 8 MiB until the tests end; `undefined` if this process may not mount. */
async function smallDisk(): Promise<string | undefined> {
  const folder = await freshFolder()
  const mount = join(folder, 'small')
  await mkdir(mount)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', mount], { stdio: 'ignore' })
  } catch {
    return undefined
  }
  afterAll(() => execFileSync('umount', [mount]))
  return mount
}
