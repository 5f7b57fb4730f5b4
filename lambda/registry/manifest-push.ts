import type { Digest } from '../protocol/digest.ts'
import type { Manifest } from '../protocol/manifest.ts'
import type { RepositoryName } from '../protocol/name.ts'
import type { Tag } from '../protocol/reference.ts'
import { keys } from '../store/keys.ts'
import type { Content, ManifestRow, RepositoryRow, TagRow } from '../store/records.ts'
import { MAX_WRITES, type Write } from '../store/table.ts'
import { chunked } from '../util/chunked.ts'
import type { Dependencies } from './dependencies.ts'
import type { DirectUploads } from './direct-uploads.ts'
import type { PushGarbage } from './garbage.ts'
import type { Links } from './links.ts'
import { MAX_INLINE_BYTES, restoreContent, storeContent } from './manifest-content.ts'
import { applySteps, ManifestNeeds, MissingReferences, type Step } from './manifest-needs.ts'
import { referrerWrites } from './referrers.ts'
import { repositoryWrites } from './repository-row.ts'
import { getAll, retryOnConflict } from './retry.ts'
import { moveTagWrites, type TagGuard, WRITES_PER_TAG } from './tags.ts'

/** A manifest that is being pushed. */
interface ManifestUpload {
  readonly name: RepositoryName
  readonly digest: Digest
  readonly bytes: Uint8Array
  readonly manifest: Manifest
  readonly tags: readonly Tag[]
  readonly guard: TagGuard
}

/**
 * The push of a manifest. Nearly always it is one transaction: it touches the link of every blob and writes its ref,
 * counts every child, and writes the manifest row, its referrer row and its tags.
 *
 * A push that is too large for one transaction is announced first. The announcement is a garbage row: if the push does
 * not finish, the collector deletes its refs. The refs are then written in batches. The transaction that writes the
 * manifest row and deletes the announcement commits the push.
 */
export class ManifestPush {
  readonly #deps: Dependencies
  readonly #needs: ManifestNeeds
  readonly #directUploads: DirectUploads
  constructor(deps: Dependencies, links: Links, directUploads: DirectUploads) {
    this.#deps = deps
    this.#needs = new ManifestNeeds(deps, links)
    this.#directUploads = directUploads
  }

  /** @throws {RegistryError} MANIFEST_BLOB_UNKNOWN */
  async run(upload: ManifestUpload): Promise<void> {
    try {
      await retryOnConflict(() => this.#attempt(upload))
    } catch (error) {
      if (!(error instanceof MissingReferences)) throw error
      if (!(await this.#directUploads.search(upload.name, error.missing))) throw error
      await retryOnConflict(() => this.#attempt(upload))
    }
  }

  async #attempt(upload: ManifestUpload): Promise<void> {
    const { table, clock, newId } = this.#deps
    const { name, digest, bytes, manifest, tags, guard } = upload
    const [stored, repository, ...old] = (await getAll(table, [
      keys.manifest(name, digest),
      keys.repository(name),
      ...tags.map(tag => keys.tag(name, tag)),
    ])) as [ManifestRow?, RepositoryRow?, ...TagRow[]]
    tags.forEach((tag, i) => {
      if (old[i]?.digest !== digest) guard.requireAllowed(tag, old[i] ? 'overwrite-tag' : 'create-tag')
    })
    const now = clock()
    const { mediaType } = stored ?? manifest // a digest keeps the media type of its first push
    const target = { digest, mediaType, size: bytes.length, pushed: now }
    const moves = tags.map((tag, i) => moveTagWrites(name, tag, old[i], target))
    if (stored && 'object' in stored) await restoreContent(this.#deps.store, stored.object, bytes, digest)
    // Its refs protect its blobs. Its children may have been deleted since its first push, so they are checked again.
    if (stored)
      return this.#tag(
        upload,
        stored.push,
        moves,
        await this.#needs.childSteps(upload),
        repositoryWrites(name, repository, now),
      )

    const push = newId()
    const needs = await this.#needs.steps(upload, push)
    const isAnnounced = bytes.length > MAX_INLINE_BYTES || needs.length + moves.flat().length + 3 > MAX_WRITES
    const content: Content = bytes.length > MAX_INLINE_BYTES ? { object: newId() } : { bytes }
    const { subject } = manifest
    const row = {
      ...keys.manifest(name, digest),
      ...target,
      ...content,
      push,
      tagging: 0,
      ...(subject && { subject }),
    }
    const commit: Write[] = [
      { put: row, if: 'absent' },
      ...referrerWrites(name, digest, bytes.length, manifest),
      ...repositoryWrites(name, repository, now),
    ]
    if (!isAnnounced)
      return applySteps(table, [...needs, ...[...commit, ...moves.flat()].map(write => ({ write }))])
    await this.#announce(upload, push, content, needs, commit)
    await this.#tag(upload, push, moves)
  }

  /**
   * Points tags to a manifest that is stored. Counting them in its row makes a concurrent delete fail.
   * @param checks conditions of the push. They are part of the first transaction, or precede it if they are too many
   * @param also writes of the first transaction
   */
  async #tag(
    { name, digest }: ManifestUpload,
    push: string,
    moves: readonly Write[][],
    checks: readonly Step[] = [],
    also: readonly Write[] = [],
  ): Promise<void> {
    const { table, clock } = this.#deps
    const count: Write = {
      update: keys.manifest(name, digest),
      change: { add: { tagging: 1 }, set: { pushed: clock() } },
      if: { push },
    }
    const tagsPerTransaction = Math.floor((MAX_WRITES - 2) / WRITES_PER_TAG)
    const [first = [], ...rest] = chunked(moves, tagsPerTransaction)
    const writes = [count, ...also, ...first.flat()].map((write): Step => ({ write }))
    const fits = checks.length + writes.length <= MAX_WRITES
    if (!fits) for (const some of chunked(checks, MAX_WRITES)) await applySteps(table, some)
    await applySteps(table, fits ? [...checks, ...writes] : writes)
    for (const some of rest) await table.transact(count, ...some.flat())
  }

  async #announce(
    upload: ManifestUpload,
    push: string,
    content: Content,
    needs: readonly Step[],
    commit: readonly Write[],
  ): Promise<void> {
    await this.#needs.requireAll(upload)
    const { name, digest, bytes, manifest } = upload
    const { table, store, clock, gracePeriod, newId } = this.#deps
    const due = clock() + gracePeriod
    const announcement: PushGarbage = {
      ...keys.garbage(due, newId()),
      due,
      ...{
        what: 'push',
        repository: name,
        digest,
        push,
        mediaType: manifest.mediaType,
        taken: false,
        ...content,
      },
    }
    const { partition, sort } = announcement
    await table.transact({ put: announcement, if: 'absent' })
    if ('object' in content) await storeContent(store, content.object, bytes, digest)
    const stillAnnounced: Step = { write: { check: { partition, sort }, if: { taken: false } } }
    for (const some of chunked(needs, MAX_WRITES - 1)) await applySteps(table, [...some, stillAnnounced])
    await table.transact(...commit, { delete: { partition, sort }, if: { taken: false } })
  }
}
