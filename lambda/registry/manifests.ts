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
import { expectUnprotected, tagsOf } from './indexes-above.ts'
import type { Links } from './links.ts'
import { loadContent } from './manifest-content.ts'
import { ManifestPush } from './manifest-push.ts'
import { retryOnConflict } from './retry.ts'
import { dropTagWrites, type TagGuard, type Tags } from './tags.ts'

/** How many tags one transaction of a delete removes. The last one also holds the manifest and the checks of its indexes. */
const MAX_TAGS_AT_ONCE = 24

/** Which manifest, without its bytes. */
export interface ManifestInfo {
  readonly digest: Digest
  readonly mediaType: string
  readonly size: number
}

/** A manifest whose bytes have not been read yet. */
export interface OpenManifest extends ManifestInfo {
  /** @throws {RegistryError} MANIFEST_UNKNOWN when it has been deleted meanwhile */
  readonly load: () => Promise<Uint8Array>
}

/** What comes with a manifest's bytes. */
interface Labels {
  /** Its media type as the client gave it, without parameters. */
  readonly contentType?: string
  /** More tags than the one that it is pushed by. */
  readonly tags?: readonly Tag[]
  readonly guard: TagGuard
}

/** What a push was about, for the answer. */
export interface Pushed {
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
   * Finds a manifest without reading more than its name requires: a conditional request may not need the bytes.
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
   * Stores a manifest and points tags at it.
   * @throws {RegistryError} MANIFEST_INVALID; DIGEST_INVALID when the reference is the digest of something else;
   * MANIFEST_BLOB_UNKNOWN, naming what the repository lacks
   */
  async put(
    name: RepositoryName,
    reference: Reference,
    bytes: Uint8Array,
    { contentType, tags = [], guard }: Labels,
  ): Promise<Pushed> {
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
   * Deletes a manifest and the tags that name it. What it needed is released at once if that is little work, otherwise by the
   * collector. @throws {RegistryError} MANIFEST_UNKNOWN; what the guard throws, also for an immutable tag that leads to the
   * manifest through indexes; nothing is changed then
   */
  async delete(name: RepositoryName, digest: Digest, guard: TagGuard): Promise<void> {
    const { table, clock, newId } = this.#deps
    const garbage = await retryOnConflict(async () => {
      const row = await this.#row(name, digest)
      const tags = await tagsOf(table, name, digest)
      for (const tag of tags) guard.expectAllowed(tag, 'delete')
      const { expectMutable } = guard
      const checks = expectMutable ? await expectUnprotected(table, name, digest, expectMutable) : []
      const [last = [], ...earlier] = chunked(tags, MAX_TAGS_AT_ONCE)
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

  /** @throws {RegistryError} MANIFEST_UNKNOWN, as a fault for the log, when the store has lost the bytes */
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
