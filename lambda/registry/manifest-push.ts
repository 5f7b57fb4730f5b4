import type { Digest } from '../protocol/digest.ts'
import { RegistryError } from '../protocol/errors.ts'
import type { Manifest } from '../protocol/manifest.ts'
import type { RepositoryName } from '../protocol/name.ts'
import type { Tag } from '../protocol/reference.ts'
import { keys } from '../store/keys.ts'
import type { Content, LinkRow, ManifestRow, RepositoryRow, TagRow } from '../store/records.ts'
import { ConditionFailed, MAX_WRITES, type Write } from '../store/table.ts'
import { chunked } from '../util/chunked.ts'
import type { Dependencies } from './dependencies.ts'
import type { DirectUploads } from './direct-uploads.ts'
import type { PushGarbage } from './garbage.ts'
import type { Links } from './links.ts'
import { MAX_INLINE_BYTES, restoreContent, storeContent } from './manifest-content.ts'
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

/** A write, and what the repository lacks when its condition fails. */
interface Step {
  readonly write: Write
  readonly needs?: Digest
}

/**
 * The push of a manifest. Nearly always it is one transaction: every blob it needs is touched and referred to, every
 * child noted, and the manifest, its place among the referrers and its tags appear together or not at all.
 *
 * A push too large for that announces itself first, by a garbage row that takes its refs back unless it finishes. The
 * refs then go ahead in batches, and the manifest row, written while the announcement is withdrawn, is the commit point.
 */
export class ManifestPush {
  readonly #deps: Dependencies
  readonly #links: Links
  readonly #directUploads: DirectUploads
  constructor(deps: Dependencies, links: Links, directUploads: DirectUploads) {
    this.#deps = deps
    this.#links = links
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
      if (old[i]?.digest !== digest) guard.expectAllowed(tag, old[i] ? 'overwrite-tag' : 'create-tag')
    })
    const now = clock()
    const { mediaType } = stored ?? manifest // a digest has the type of its first push, whatever tag it goes by
    const target = { digest, mediaType, size: bytes.length, pushed: now }
    const moves = tags.map((tag, i) => moveTagWrites(name, tag, old[i], target))
    if (stored && 'object' in stored) await restoreContent(this.#deps.store, stored.object, bytes, digest)
    // Its refs keep its blobs. Nothing keeps its children: they may have been deleted since.
    if (stored)
      return this.#tag(
        upload,
        stored.push,
        moves,
        await this.#childSteps(upload),
        repositoryWrites(name, repository, now),
      )

    const push = newId()
    const needs = await this.#needs(upload, push)
    const announced = bytes.length > MAX_INLINE_BYTES || needs.length + moves.flat().length + 3 > MAX_WRITES
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
    if (!announced) return this.#apply([...needs, ...[...commit, ...moves.flat()].map(write => ({ write }))])
    await this.#announce(upload, push, content, needs, commit)
    await this.#tag(upload, push, moves)
  }

  /**
   * Points tags at a manifest that is there. The count in its row makes a concurrent delete fail its condition.
   * @param checks conditions of the whole push. They share the first transaction, or go before it where they are too many
   */
  async #tag(
    { name, digest }: ManifestUpload,
    push: string,
    moves: readonly Write[][],
    checks: readonly Step[] = [],
    also: readonly Write[] = [],
  ): Promise<void> {
    const { table, clock } = this.#deps
    const note: Write = {
      update: keys.manifest(name, digest),
      change: { add: { tagging: 1 }, set: { pushed: clock() } },
      if: { push },
    }
    const room = Math.floor((MAX_WRITES - 2) / WRITES_PER_TAG)
    const [first = [], ...rest] = chunked(moves, room)
    const writes = [note, ...also, ...first.flat()].map((write): Step => ({ write }))
    const fits = checks.length + writes.length <= MAX_WRITES
    if (!fits) for (const some of chunked(checks, MAX_WRITES)) await this.#apply(some)
    await this.#apply(fits ? [...checks, ...writes] : writes)
    for (const some of rest) await table.transact(note, ...some.flat())
  }

  /**
   * What the manifest relies on: its blobs, its foreign layers as far as they are here, and its children. In a sparse repository also
   * blobs and children that are not here: their refs and parents are written, so they are kept from the moment that they come.
   */
  async #needs(upload: ManifestUpload, push: string): Promise<Step[]> {
    const { table } = this.#deps
    const { name, digest, manifest } = upload
    if (this.#isSparse(name)) return this.#sparseNeeds(upload, push)
    const foreign = await getAll<LinkRow>(
      table,
      manifest.foreign.map(blob => keys.link(name, blob)),
    )
    const blobs = [...manifest.blobs, ...manifest.foreign.filter((_, i) => foreign[i])]
    return [
      ...blobs.flatMap((blob): Step[] => [
        { write: this.#links.touchWrite(name, blob), needs: blob },
        { write: { put: keys.ref(name, blob, digest, push) } },
      ]),
      ...(await this.#childSteps(upload)),
      ...manifest.children.map((child): Step => ({ write: { put: keys.parent(name, child, digest, push) } })),
    ]
  }

  async #sparseNeeds(upload: ManifestUpload, push: string): Promise<Step[]> {
    const { name, digest, manifest } = upload
    const blobs = [...manifest.blobs, ...manifest.foreign]
    const links = await getAll<LinkRow>(
      this.#deps.table,
      blobs.map(blob => keys.link(name, blob)),
    )
    return [
      ...blobs.flatMap((blob, i): Step[] => [
        // A blob that comes or goes meanwhile fails the condition, and the push begins again.
        {
          write: links[i]
            ? this.#links.touchWrite(name, blob)
            : { check: keys.link(name, blob), if: 'absent' },
        },
        { write: { put: keys.ref(name, blob, digest, push) } },
      ]),
      ...(await this.#childSteps(upload)),
      ...manifest.children.map((child): Step => ({ write: { put: keys.parent(name, child, digest, push) } })),
    ]
  }

  #isSparse(name: RepositoryName): boolean {
    return this.#deps.isSparse?.(name) ?? false
  }

  /**
   * Counts up `tagging` of each child, so that a concurrent delete of the child notices its new parent. A child must be present.
   * In a sparse repository it may be absent, and must then stay absent until the push commits: if it arrives or is deleted
   * meanwhile, the condition fails and the push begins again.
   */
  async #childSteps({ name, manifest }: ManifestUpload): Promise<Step[]> {
    const { children } = manifest
    const count = (child: Digest): Write => ({
      update: keys.manifest(name, child),
      change: { add: { tagging: 1 } },
      if: 'present',
    })
    if (!this.#isSparse(name)) return children.map(child => ({ write: count(child), needs: child }))
    const rows = await getAll<ManifestRow>(
      this.#deps.table,
      children.map(child => keys.manifest(name, child)),
    )
    return children.map((child, i) => ({
      write: rows[i] ? count(child) : { check: keys.manifest(name, child), if: 'absent' },
    }))
  }

  async #announce(
    { name, digest, bytes, manifest }: ManifestUpload,
    push: string,
    content: Content,
    needs: readonly Step[],
    commit: readonly Write[],
  ): Promise<void> {
    await this.#expectAll(name, manifest)
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
    const stillOurs: Step = { write: { check: { partition, sort }, if: { taken: false } } }
    for (const some of chunked(needs, MAX_WRITES - 1)) await this.#apply([...some, stillOurs])
    await table.transact(...commit, { delete: { partition, sort }, if: { taken: false } })
  }

  /** Reports every missing blob and child before anything is written. */
  async #expectAll(name: RepositoryName, { blobs, children }: Manifest): Promise<void> {
    if (this.#isSparse(name)) return
    const needed = [...blobs, ...children]
    const rows = await getAll(this.#deps.table, [
      ...blobs.map(blob => keys.link(name, blob)),
      ...children.map(child => keys.manifest(name, child)),
    ])
    const missing = needed.filter((_, i) => rows[i] === undefined)
    if (missing.length > 0) throw new MissingReferences(missing)
  }

  async #apply(steps: readonly Step[]): Promise<void> {
    try {
      await this.#deps.table.transact(...steps.map(step => step.write))
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error
      const missing = error.failed.map(i => steps[i]?.needs).filter(digest => digest !== undefined)
      throw missing.length > 0 ? new MissingReferences(missing) : error
    }
  }
}

/** Digests in a message, which clients print on one line. The detail has all of them. */
const MAX_NAMED = 5

class MissingReferences extends RegistryError {
  readonly missing: readonly Digest[]
  constructor(missing: readonly Digest[]) {
    const named = missing.slice(0, MAX_NAMED).join(', ')
    const more = missing.length > MAX_NAMED ? ` and ${missing.length - MAX_NAMED} more` : ''
    super('MANIFEST_BLOB_UNKNOWN', {
      message: `the manifest needs content that is not in this repository: ${named}${more}`,
      detail: { missing },
    })
    this.missing = missing
  }
}
