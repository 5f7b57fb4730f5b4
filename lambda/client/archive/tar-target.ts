import { createWriteStream } from 'node:fs'
import { mkdtemp, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Pack, pack } from 'tar-stream'
import type { Digest } from '../../protocol/digest.ts'
import type { Tag } from '../../protocol/reference.ts'
import { ClientError } from '../client-error.ts'
import { type BlobDescriptor, type ManifestContent, parseContent } from '../content.ts'
import type { OpenBlob } from '../ports.ts'
import type { Bytes } from '../registry/transport.ts'
import type { ArchiveTarget } from './archive-target.ts'
import { LAYOUT_FILE, LayoutIndexBuilder, type LayoutName } from './layout-index.ts'
import { blobPath } from './layout-source.ts'
import { cannotWrite } from './layout-target.ts'

/** `docker` adds the `manifest.json` that `docker load` and podman read to an OCI layout. It takes the image of one platform. */
export type ArchiveFormat = 'docker' | 'oci'

interface TarTargetOptions {
  readonly format: ArchiveFormat
  /** For messages. */
  readonly name: string
  /** Path of the archive, or a stream. */
  readonly to: string | Writable
  /** Whether a file that exists is replaced. */
  readonly force: boolean
}

/** Media types of configs that `docker load` understands. */
const IMAGE_CONFIGS = [
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
]

/** An OCI layout in a tar archive. It is written beside its place and renamed once it is complete. */
export class TarTarget implements ArchiveTarget {
  /** An archive takes one file at a time. */
  readonly parallel = 1
  readonly name: string
  readonly #options: TarTargetOptions
  readonly #pack: Pack = pack()
  readonly #index = new LayoutIndexBuilder()
  readonly #written = new Set<Digest>()
  readonly #finished: Promise<void>
  /** A folder beside the archive, which holds it until it is complete. */
  readonly #scratch: string | undefined
  #failure: unknown

  /** @throws {ClientError} where the file exists, or cannot be written */
  static async open(options: TarTargetOptions): Promise<TarTarget> {
    const { to, force, name } = options
    if (typeof to !== 'string') return new TarTarget(options, to)
    try {
      const found = await stat(to).catch(() => undefined)
      if (found?.isDirectory()) throw new ClientError(`${name} is a folder: name a file`)
      if (found && !force) throw new ClientError(`${name} exists: --force replaces it`)
      const scratch = await mkdtemp(join(dirname(to), `.${basename(to)}-`))
      return new TarTarget(options, createWriteStream(join(scratch, 'archive')), scratch)
    } catch (error) {
      throw cannotWrite(name, error)
    }
  }

  private constructor(options: TarTargetOptions, output: Writable, scratch?: string) {
    this.#options = options
    this.name = options.name
    this.#scratch = scratch
    this.#finished = pipeline(this.#pack, output)
    this.#finished.catch(error => {
      this.#failure = error
    })
  }

  async hasManifest(digest: Digest): Promise<boolean> {
    return this.#written.has(digest)
  }

  async findBlob({ digest }: BlobDescriptor): Promise<'exists' | undefined> {
    return this.#written.has(digest) ? 'exists' : undefined
  }

  async putBlob({ digest, size }: BlobDescriptor, open: OpenBlob, signal?: AbortSignal): Promise<void> {
    await this.#add(blobPath(digest), size, open(), signal)
    this.#written.add(digest)
  }

  async putManifest(manifest: ManifestContent, tag?: Tag, signal?: AbortSignal): Promise<void> {
    const { digest, bytes } = manifest
    if (!this.#written.has(digest)) await this.#addBytes(blobPath(digest), bytes, signal)
    this.#written.add(digest)
    const { subject } = parseContent(manifest, this.name)
    if (tag || subject) this.#index.add(manifest, tag && { tag })
  }

  async commit(root: ManifestContent, names: readonly LayoutName[]): Promise<void> {
    for (const name of names) this.#index.add(root, name)
    if (names.length === 0) this.#index.add(root)
    await this.#addBytes('index.json', this.#index.toBytes())
    if (this.#options.format === 'docker') await this.#addBytes('manifest.json', dockerManifest(root, names))
    await this.#addBytes('oci-layout', LAYOUT_FILE)
    this.#pack.finalize()
    try {
      await this.#finished
      const { to } = this.#options
      if (this.#scratch === undefined || typeof to !== 'string') return
      await rename(join(this.#scratch, 'archive'), to)
      await rm(this.#scratch, { recursive: true, force: true })
    } catch (error) {
      throw cannotWrite(this.name, error)
    }
  }

  async abort(): Promise<void> {
    this.#pack.destroy()
    await this.#finished.catch(() => {})
    if (this.#scratch !== undefined) await rm(this.#scratch, { recursive: true, force: true })
  }

  #addBytes(path: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.#add(path, bytes.length, once(bytes), signal)
  }

  async #add(name: string, size: number, bytes: Bytes, signal?: AbortSignal): Promise<void> {
    // The same image gives the same archive.
    const entry = this.#pack.entry({ name, size, mode: 0o644, mtime: new Date(0) })
    try {
      await pipeline(Readable.from(bytes, { objectMode: false }), entry, { ...(signal && { signal }) })
    } catch (error) {
      // What the source says, or else what the output says: it may be full.
      if (error instanceof ClientError || signal?.aborted) throw error
      this.#pack.destroy()
      await this.#finished.catch(() => {})
      throw cannotWrite(this.name, this.#failure ?? error)
    }
  }
}

async function* once(bytes: Uint8Array): Bytes {
  yield bytes
}

function dockerManifest(root: ManifestContent, names: readonly LayoutName[]): Buffer {
  const { config, layers } = parseContent(root, root.digest)
  const paths = {
    Config: config && blobPath(config.digest),
    Layers: layers.map(({ digest }) => blobPath(digest)),
  }
  const tags = names.flatMap(({ full }) => full ?? [])
  return Buffer.from(JSON.stringify([{ Config: paths.Config, RepoTags: tags, Layers: paths.Layers }]))
}

/** @throws {ClientError} for what `docker load` cannot read, such as an index or a chart */
export function requireDockerImage(manifest: ManifestContent, name: string): void {
  const { config, isIndex } = parseContent(manifest, name)
  if (isIndex)
    throw new ClientError(`${name} has several platforms: choose one with --platform, or use --format oci`)
  if (config && IMAGE_CONFIGS.includes(config.mediaType)) return
  throw new ClientError(`${name} is not a container image: use --format oci`)
}
