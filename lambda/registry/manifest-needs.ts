import type { Digest } from '../protocol/digest.ts'
import { RegistryError } from '../protocol/errors.ts'
import type { Manifest } from '../protocol/manifest.ts'
import type { RepositoryName } from '../protocol/name.ts'
import { keys } from '../store/keys.ts'
import type { LinkRow, ManifestRow } from '../store/records.ts'
import { ConditionFailed, type Table, type Write } from '../store/table.ts'
import type { Dependencies } from './dependencies.ts'
import type { Links } from './links.ts'
import { getAll } from './retry.ts'

/** A manifest and the repository that it is pushed to. */
interface ManifestInRepository {
  readonly name: RepositoryName
  readonly digest: Digest
  readonly manifest: Manifest
}

/** A write, and what the repository lacks when its condition fails. */
export interface Step {
  readonly write: Write
  readonly needs?: Digest
}

/**
 * Applies steps in one transaction.
 * @throws {MissingReferences} naming the `needs` of the steps that failed
 * @throws {ConditionFailed} when only steps without `needs` failed
 */
export async function applySteps(table: Table, steps: readonly Step[]): Promise<void> {
  try {
    await table.transact(...steps.map(step => step.write))
  } catch (error) {
    if (!(error instanceof ConditionFailed)) throw error
    const missing = error.failed.map(i => steps[i]?.needs).filter(digest => digest !== undefined)
    throw missing.length > 0 ? new MissingReferences(missing) : error
  }
}

/** The blobs and children that a manifest needs in its repository. */
export class ManifestNeeds {
  readonly #deps: Dependencies
  readonly #links: Links
  constructor(deps: Dependencies, links: Links) {
    this.#deps = deps
    this.#links = links
  }

  /**
   * The steps that tie a manifest to the content it needs: its blobs, those of its foreign layers that the repository
   * holds, and its children. In a sparse repository also absent blobs and children: their refs and parents are written,
   * so they are kept as soon as they arrive.
   * @param push the id of the push, which its refs and parents carry
   */
  async steps(upload: ManifestInRepository, push: string): Promise<Step[]> {
    const { name, digest, manifest } = upload
    return [
      ...(this.#isSparse(name)
        ? await this.#sparseBlobSteps(upload, push)
        : await this.#blobSteps(upload, push)),
      ...(await this.childSteps(upload)),
      ...manifest.children.map((child): Step => ({ write: { put: keys.parent(name, child, digest, push) } })),
    ]
  }

  /**
   * Increments `tagging` of each child, so that a concurrent delete of the child notices its new parent. A child must
   * be present. In a sparse repository it may be absent, and must then stay absent until the push commits: if it
   * arrives or is deleted meanwhile, the condition fails and the push begins again.
   */
  async childSteps({ name, manifest }: ManifestInRepository): Promise<Step[]> {
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

  /** @throws {MissingReferences} naming every absent blob and child. Never for a sparse repository */
  async requireAll({ name, manifest: { blobs, children } }: ManifestInRepository): Promise<void> {
    if (this.#isSparse(name)) return
    const needed = [...blobs, ...children]
    const rows = await getAll(this.#deps.table, [
      ...blobs.map(blob => keys.link(name, blob)),
      ...children.map(child => keys.manifest(name, child)),
    ])
    const missing = needed.filter((_, i) => rows[i] === undefined)
    if (missing.length > 0) throw new MissingReferences(missing)
  }

  async #blobSteps({ name, digest, manifest }: ManifestInRepository, push: string): Promise<Step[]> {
    const foreign = await this.#linksOf(name, manifest.foreign)
    const blobs = [...manifest.blobs, ...manifest.foreign.filter((_, i) => foreign[i])]
    return blobs.flatMap((blob): Step[] => [
      { write: this.#links.touchWrite(name, blob), needs: blob },
      { write: { put: keys.ref(name, blob, digest, push) } },
    ])
  }

  /** A blob that arrives or is deleted meanwhile fails the condition, and the push begins again. */
  async #sparseBlobSteps({ name, digest, manifest }: ManifestInRepository, push: string): Promise<Step[]> {
    const blobs = [...manifest.blobs, ...manifest.foreign]
    const links = await this.#linksOf(name, blobs)
    return blobs.flatMap((blob, i): Step[] => [
      {
        write: links[i] ? this.#links.touchWrite(name, blob) : { check: keys.link(name, blob), if: 'absent' },
      },
      { write: { put: keys.ref(name, blob, digest, push) } },
    ])
  }

  #linksOf(name: RepositoryName, blobs: readonly Digest[]): Promise<(LinkRow | undefined)[]> {
    return getAll<LinkRow>(
      this.#deps.table,
      blobs.map(blob => keys.link(name, blob)),
    )
  }

  #isSparse(name: RepositoryName): boolean {
    return this.#deps.isSparse?.(name) ?? false
  }
}

/** How many digests a message names, because clients print it on one line. The detail names all of them. */
const MAX_NAMED = 5

/** MANIFEST_BLOB_UNKNOWN: the repository lacks content that a manifest needs. */
export class MissingReferences extends RegistryError {
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
