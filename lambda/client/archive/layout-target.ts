import { createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import * as v from 'valibot'
import type { Digest } from '../../protocol/digest.ts'
import { algorithmOf, hexOf } from '../../protocol/digest.ts'
import type { Tag } from '../../protocol/reference.ts'
import { ClientError, reasonOf } from '../client-error.ts'
import { type BlobDescriptor, type ManifestContent, parseContent } from '../content.ts'
import type { OpenBlob } from '../ports.ts'
import type { ArchiveTarget } from './archive-target.ts'
import { FolderFiles, readJson } from './file-set.ts'
import { type IndexEntry, LAYOUT_FILE, LayoutIndexBuilder, type LayoutName } from './layout-index.ts'
import { blobPath } from './layout-source.ts'

const Index = v.looseObject({ manifests: v.array(v.looseObject({ digest: v.string() })) })

/** The folder of an OCI layout, which may hold other images. A failure leaves it as it was. */
export class LayoutTarget implements ArchiveTarget {
  readonly parallel = 4
  readonly name: string
  readonly #folder: string
  readonly #index: LayoutIndexBuilder
  readonly #isNew: boolean
  /** For files that are not complete. It is inside, so that a rename does not copy. */
  readonly #scratch: string
  /** What an abort removes. */
  readonly #added: string[] = []

  /** @throws {ClientError} where the folder has other files */
  static async open(folder: string, name = folder): Promise<LayoutTarget> {
    try {
      const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined
        throw error
      })
      const entries = names && names.length > 0 ? await entriesIn(folder, name) : []
      const isNew = names === undefined
      const made = isNew ? await mkdir(folder, { recursive: true }) : undefined
      const scratch = await mkdtemp(join(folder, '.longshore-'))
      return new LayoutTarget(folder, {
        name,
        index: new LayoutIndexBuilder(entries),
        isNew: made !== undefined,
        scratch,
      })
    } catch (error) {
      throw cannotWrite(name, error)
    }
  }

  private constructor(
    folder: string,
    options: { name: string; index: LayoutIndexBuilder; isNew: boolean; scratch: string },
  ) {
    const { name, index, isNew, scratch } = options
    this.name = name
    this.#folder = folder
    this.#index = index
    this.#isNew = isNew
    this.#scratch = scratch
  }

  hasManifest(digest: Digest): Promise<boolean> {
    return this.#exists(digest)
  }

  async findBlob({ digest, size }: BlobDescriptor): Promise<'exists' | undefined> {
    return (await this.#exists(digest, size)) ? 'exists' : undefined
  }

  async putBlob({ digest }: BlobDescriptor, open: OpenBlob, signal?: AbortSignal): Promise<void> {
    await this.#write(digest, async path => {
      await pipeline(open(), createWriteStream(path), { ...(signal && { signal }) })
    })
  }

  async putManifest(manifest: ManifestContent, tag?: Tag): Promise<void> {
    if (!(await this.#exists(manifest.digest)))
      await this.#write(manifest.digest, path => writeFile(path, manifest.bytes))
    const { subject } = parseContent(manifest, this.name)
    if (tag || subject) this.#index.add(manifest, tag && { tag })
  }

  /** `index.json` comes last and at once. */
  async commit(root: ManifestContent, names: readonly LayoutName[]): Promise<void> {
    for (const name of names) this.#index.add(root, name)
    if (names.length === 0) this.#index.add(root)
    try {
      await this.#replace('oci-layout', LAYOUT_FILE)
      await this.#replace('index.json', this.#index.toBytes())
      await rm(this.#scratch, { recursive: true, force: true })
    } catch (error) {
      throw cannotWrite(this.name, error)
    }
  }

  async abort(): Promise<void> {
    if (this.#isNew) return rm(this.#folder, { recursive: true, force: true })
    await rm(this.#scratch, { recursive: true, force: true })
    for (const path of this.#added) await rm(path, { force: true })
  }

  async #exists(digest: Digest, size?: number): Promise<boolean> {
    const found = await stat(join(this.#folder, blobPath(digest))).catch(() => undefined)
    return found?.isFile() === true && (size === undefined || found.size === size)
  }

  async #write(digest: Digest, write: (path: string) => Promise<void>): Promise<void> {
    const temporary = join(this.#scratch, `${algorithmOf(digest)}-${hexOf(digest)}`)
    const path = join(this.#folder, blobPath(digest))
    try {
      await write(temporary)
      await mkdir(dirname(path), { recursive: true })
      await rename(temporary, path)
      this.#added.push(path)
    } catch (error) {
      throw cannotWrite(this.name, error)
    }
  }

  async #replace(name: string, bytes: Uint8Array): Promise<void> {
    const temporary = join(this.#scratch, name)
    await writeFile(temporary, bytes)
    await rename(temporary, join(this.#folder, name))
  }
}

async function entriesIn(folder: string, name: string): Promise<readonly IndexEntry[]> {
  const files = new FolderFiles(folder, name)
  if ((await files.size('index.json')) === undefined)
    throw new ClientError(`${name} has files and is not an OCI layout: name another folder`)
  const parsed = v.safeParse(Index, await readJson(files, 'index.json'))
  if (parsed.success) return parsed.output.manifests as unknown as readonly IndexEntry[]
  throw new ClientError(`index.json of ${name} is not an image index`)
}

/** An abort and an error of the source stay what they are. */
export function cannotWrite(path: string, error: unknown): unknown {
  const { code, name } = error as NodeJS.ErrnoException
  if (error instanceof ClientError || name === 'AbortError' || code === undefined) return error
  return new ClientError(`cannot write ${path}: ${reasonOf(error)}`, { cause: error })
}
