import { createHash, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Collector } from '../../lambda/gc/collector.ts'
import { type Digest, digestOf } from '../../lambda/protocol/digest.ts'
import { OCI_IMAGE } from '../../lambda/protocol/media-types.ts'
import type { RepositoryName } from '../../lambda/protocol/name.ts'
import type { Tag } from '../../lambda/protocol/reference.ts'
import { createRegistry } from '../../lambda/registry/registry.ts'
import { UNGUARDED } from '../../lambda/registry/tags.ts'
import { FileBlobs } from '../../lambda/store/files/blobs.ts'
import { SqliteTable } from '../../lambda/store/sqlite/table.ts'
import { bytesOf, collect } from '../support/bytes.ts'

const HOUR = 60 * 60 * 1000
const name = 'app' as RepositoryName

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-backup-'))
})
afterEach(() => rm(folder, { recursive: true }))

describe('a backup of a running registry, taken as docs/operations.md describes', () => {
  it('contains every image that was acknowledged before it and no other file, and accepts pushes', async () => {
    await using original = await Registry.open(join(folder, 'data'))
    let pushed = 0
    let stop = false
    const images = new Set<string>()
    const traffic = (async () => {
      for (; !stop; pushed++) {
        // Every third manifest is too large for its row, and old images are deleted, so that manifest and layer objects
        // are collected.
        const padding = 'x'.repeat(pushed % 3 === 0 ? 400_000 : 10)
        images.add(await original.push(`v${pushed}`, [`layer ${pushed}`, `layer ${pushed % 5}`], padding))
        const [oldest] = images
        if (oldest && images.size > 12) {
          images.delete(oldest)
          await original.delete(oldest)
        }
        original.now += 9 * HOUR
        expect((await original.collector.run()).failures).toEqual([])
      }
    })()

    let repeated = 0
    try {
      for (let i = 0; i < 2; i++) {
        const waitForPushes = async () => {
          for (const start = pushed; pushed < start + 8; )
            await new Promise(resolve => setTimeout(resolve, 1))
        }
        await waitForPushes()
        const before = [...images]
        const backup = join(folder, `backup ${i}`)
        // The first attempt takes longer than the grace period, so files are deleted before they are copied.
        for (
          let isComplete = await takeBackup(original.folder, backup, waitForPushes);
          !isComplete;
          repeated++
        ) {
          await rm(backup, { recursive: true })
          isComplete = await takeBackup(original.folder, backup)
        }
        const kept = before.filter(digest => images.has(digest))

        await using restored = await Registry.open(backup)
        for (const digest of kept) await restored.expectComplete(digest)
        expect(await restored.unnamedFiles()).toEqual([])
        // The rows of deleted blobs must not prevent a new push of these blobs from being stored.
        const layers = Array.from({ length: 15 }, (_, number) => `layer ${pushed - number}`)
        await restored.expectComplete(await restored.push('again', layers, ''))
      }
    } finally {
      stop = true
      await traffic
    }
    expect(repeated).toBeGreaterThan(0)
  }, 60_000)
})

/** @returns false when a file was deleted during the backup, which must then be repeated */
async function takeBackup(data: string, backup: string, pause = async () => {}): Promise<boolean> {
  await mkdir(backup)
  const database = join(backup, 'registry.sqlite')
  const live = new DatabaseSync(join(data, 'registry.sqlite'), { readOnly: true })
  live.exec(`VACUUM INTO '${database}'`)
  live.close()
  await pause()
  try {
    for (const file of namedFiles(database)) {
      await mkdir(dirname(join(backup, file)), { recursive: true })
      await copyFile(join(data, file), join(backup, file))
    }
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
    throw error
  }
}

/** The files that belong to a copy of the database, found by the query in docs/operations.md. */
function namedFiles(database: string): string[] {
  const text = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8')
  const [query] = /SELECT 'blobs\/'[^"]*/.exec(text) ?? []
  const db = new DatabaseSync(database, { readOnly: true })
  const files = db.prepare(query ?? '').all()
  db.close()
  return files.map(({ file }) => String(file))
}

class Registry {
  now = 1_000_000 * HOUR
  readonly folder: string
  readonly collector: Collector
  readonly #registry: ReturnType<typeof createRegistry>
  readonly #table: SqliteTable

  private constructor(folder: string, table: SqliteTable, store: FileBlobs) {
    const lifetime = 24 * HOUR
    const deps = {
      table,
      store,
      clock: () => this.now,
      newId: randomUUID,
      gracePeriod: lifetime,
      uploadLifetime: lifetime,
    }
    this.folder = folder
    this.#table = table
    this.#registry = createRegistry(deps)
    this.collector = new Collector(deps, this.#registry)
  }

  static async open(folder: string): Promise<Registry> {
    await mkdir(folder, { recursive: true })
    return new Registry(
      folder,
      new SqliteTable(join(folder, 'registry.sqlite')),
      await FileBlobs.open(folder),
    )
  }

  async push(tag: string, layers: readonly string[], padding: string): Promise<string> {
    const { uploads, manifests } = this.#registry
    for (const blob of ['{}', ...layers]) await uploads.push(name, digest(blob), bytesOf(blob))
    const document = JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_IMAGE,
      config: descriptor('{}'),
      layers: layers.map(descriptor),
      annotations: { padding },
    })
    const reference = { kind: 'tag', tag: tag as Tag } as const
    return (await manifests.put(name, reference, Buffer.from(document), { guard: UNGUARDED })).digest
  }

  delete(image: string): Promise<void> {
    return this.#registry.manifests.delete(name, image as Digest, UNGUARDED)
  }

  async expectComplete(image: string): Promise<void> {
    const { manifests, blobs } = this.#registry
    const { bytes } = await manifests.get(name, { kind: 'digest', digest: image as Digest })
    expect(digest(bytes)).toBe(image)
    const { config, layers } = JSON.parse(bytes.toString())
    for (const { digest: blob } of [config, ...layers])
      expect(digest(await collect(await blobs.read(await blobs.find(name, blob))))).toBe(blob)
  }

  async unnamedFiles(): Promise<string[]> {
    const named = new Set(namedFiles(join(this.folder, 'registry.sqlite')))
    const files = await readdir(join(this.folder, 'blobs'), { recursive: true, withFileTypes: true })
    return files
      .filter(file => file.isFile())
      .map(file => `blobs/${file.name.slice(0, 2)}/${file.name}`)
      .filter(file => !named.has(file))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#table.close()
  }
}

function digest(content: string | Uint8Array): Digest {
  return digestOf('sha256', createHash('sha256').update(content).digest('hex'))
}

function descriptor(content: string) {
  return { mediaType: 'application/octet-stream', digest: digest(content), size: content.length }
}
