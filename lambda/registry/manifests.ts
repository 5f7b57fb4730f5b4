import { createHash } from 'node:crypto'
import { algorithmOf, type Digest, digestOf } from '../protocol/digest.ts'
import { RegistryError } from '../protocol/errors.ts'
import { parseManifest } from '../protocol/manifest.ts'
import type { RepositoryName } from '../protocol/name.ts'
import type { Reference, Tag } from '../protocol/reference.ts'
import { ObjectMissing } from '../store/blobs.ts'
import { keys } from '../store/keys.ts'
import type { ManifestRow } from '../store/records.ts'
import type { Write } from '../store/table.ts'
import { chunked } from '../util/chunked.ts'
import type { Dependencies } from './dependencies.ts'
import type { DirectUploads } from './direct-uploads.ts'
import { type PushGarbage, releasePushIfSmall } from './garbage.ts'
import { requireNoImmutableTag, tagsOf } from './indexes-above.ts'
import type { Links } from './links.ts'
import { loadContent } from './manifest-content.ts'
import { ManifestPush } from './manifest-push.ts'
import { retryOnConflict } from './retry.ts'
import { dropTagWrites, type TagGuard, type Tags } from './tags.ts'

/**
 * How many tags one transaction of a delete removes. The last transaction also deletes the manifest and checks its
 * indexes.
 */
const MAX_TAGS_PER_TRANSACTION = 24

/** A manifest without its bytes. */
export interface ManifestInfo {
  readonly digest: Digest
  readonly mediaType: string
  readonly size: number
}

/** A manifest whose bytes are read on demand. */
export interface OpenManifest extends ManifestInfo {
  /** @throws {RegistryError} MANIFEST_UNKNOWN when the manifest has been deleted meanwhile */
  readonly load: () => Promise<Uint8Array>
}

/** The parts of a push besides the bytes. */
interface PushOptions {
  /** The Content-Type of the request, without parameters. */
  readonly contentType?: string
  /** Tags besides the one in the path of the request. */
  readonly tags?: readonly Tag[]
  readonly guard: TagGuard
}

/** The facts that the response to a push contains. */
export interface PushResult {
  readonly digest: Digest
  readonly subject?: Digest
}

/** The manifests of repositories. */
export class Manifests {
  readonly #deps: Dependencies
  readonly #tags: Tags
  readonly #push: ManifestPush
  constructor(deps: Dependencies, links: Links, directUploads: DirectUploads, tags: Tags) {
    this.#deps = deps
    this.#tags = tags
    this.#push = new ManifestPush(deps, links, directUploads)
  }

  /** @throws {RegistryError} MANIFEST_UNKNOWN */
  async stat(name: RepositoryName, reference: Reference): Promise<ManifestInfo> {
    if (reference.kind === 'digest')
      return { digest: reference.digest, ...(await this.#row(name, reference.digest)) }
    return (await this.#tags.find(name, reference.tag)) ?? unknown(reference.tag)
  }

  /**
   * Finds a manifest without reading its bytes, which a conditional request may not need.
   * @throws {RegistryError} MANIFEST_UNKNOWN
   */
  async open(name: RepositoryName, reference: Reference): Promise<OpenManifest> {
    if (reference.kind === 'digest') {
      const row = await this.#row(name, reference.digest)
      const { mediaType, size } = row
      return { digest: reference.digest, mediaType, size, load: () => this.#load(reference.digest, row) }
    }
    const { digest, mediaType, size } = await this.stat(name, reference)
    return { digest, mediaType, size, load: async () => this.#load(digest, await this.#row(name, digest)) }
  }

  /** @throws {RegistryError} MANIFEST_UNKNOWN */
  async get(
    name: RepositoryName,
    reference: Reference,
  ): Promise<ManifestInfo & { readonly bytes: Uint8Array }> {
    const { load, ...info } = await this.open(name, reference)
    return { ...info, bytes: await load() }
  }

  /**
   * Stores a manifest and points tags to it.
   * @throws {RegistryError} MANIFEST_INVALID; DIGEST_INVALID when the reference is the digest of other bytes;
   * MANIFEST_BLOB_UNKNOWN, naming the blobs and manifests that the repository lacks; the errors of the guard
   */
  async put(
    name: RepositoryName,
    reference: Reference,
    bytes: Uint8Array,
    { contentType, tags = [], guard }: PushOptions,
  ): Promise<PushResult> {
    const manifest = parseManifest(bytes, contentType)
    const algorithm = reference.kind === 'digest' ? algorithmOf(reference.digest) : 'sha256'
    const digest = digestOf(algorithm, createHash(algorithm).update(bytes).digest('hex'))
    if (reference.kind === 'digest' && reference.digest !== digest)
      throw new RegistryError('DIGEST_INVALID', {
        message: `the manifest has the digest ${digest}, not ${reference.digest}`,
        detail: { said: reference.digest, actual: digest },
      })
    const allTags = new Set(reference.kind === 'tag' ? [reference.tag, ...tags] : tags)
    await this.#push.run({ name, digest, bytes, manifest, tags: [...allTags], guard })
    return { digest, ...(manifest.subject && { subject: manifest.subject }) }
  }

  /**
   * Deletes a manifest and the tags that point to it. Its refs are deleted at once if they are few, otherwise by the
   * collector.
   * @throws {RegistryError} MANIFEST_UNKNOWN; the errors of the guard, also for an immutable tag of an index that
   * contains the manifest at any depth. Nothing is changed then
   */
  async delete(name: RepositoryName, digest: Digest, guard: TagGuard): Promise<void> {
    const { table, clock, newId } = this.#deps
    const garbage = await retryOnConflict(async () => {
      const row = await this.#row(name, digest)
      const tags = await tagsOf(table, name, digest)
      for (const tag of tags) guard.requireAllowed(tag, 'delete')
      const { requireMutable } = guard
      const checks = requireMutable ? await requireNoImmutableTag(table, name, digest, requireMutable) : []
      const [last = [], ...earlier] = chunked(tags, MAX_TAGS_PER_TRANSACTION)
      for (const some of earlier)
        await table.transact(...some.flatMap(tag => dropTagWrites(name, tag, { digest })))
      const { mediaType, push, tagging, subject } = row
      const now = clock()
      const content = 'bytes' in row ? { bytes: row.bytes } : { object: row.object }
      const garbage: PushGarbage = {
        ...keys.garbage(now, newId()),
        due: now,
        what: 'push',
        repository: name,
        digest,
        push,
        mediaType,
        taken: true,
        ...content,
      }
      const referrer: Write[] = subject ? [{ delete: keys.referrer(name, subject, digest) }] : []
      await table.transact(
        { delete: keys.manifest(name, digest), if: { push, tagging } },
        { put: garbage },
        ...referrer,
        ...last.flatMap(tag => dropTagWrites(name, tag, { digest })),
        ...checks,
      )
      return garbage
    })
    await releasePushIfSmall(this.#deps, garbage)
  }

  /** @throws {RegistryError} MANIFEST_UNKNOWN, which is also logged as a fault, when the store has lost the bytes */
  async #load(digest: Digest, row: ManifestRow): Promise<Uint8Array> {
    try {
      const bytes = await loadContent(this.#deps.store, row)
      if (bytes.length === row.size) return bytes
      throw new ObjectMissing(`the store has ${bytes.length} of the ${row.size} bytes of ${digest}`)
    } catch (cause) {
      if (!(cause instanceof ObjectMissing)) throw cause
      throw new RegistryError('MANIFEST_UNKNOWN', { detail: { reference: digest }, cause, isFault: true })
    }
  }

  async #row(name: RepositoryName, digest: Digest): Promise<ManifestRow> {
    return (await this.#deps.table.get<ManifestRow>(keys.manifest(name, digest))) ?? unknown(digest)
  }
}

function unknown(reference: string): never {
  const message = `manifest ${reference} is not in this repository`
  throw new RegistryError('MANIFEST_UNKNOWN', { message, detail: { reference } })
}
