import { RegistryError } from '../protocol/errors.ts'
import type { RepositoryName } from '../protocol/name.ts'
import type { Page } from '../protocol/pagination.ts'
import type { Tag } from '../protocol/reference.ts'
import { keys, ranges } from '../store/keys.ts'
import type { TagRow } from '../store/records.ts'
import type { Key, Write } from '../store/table.ts'
import type { Dependencies } from './dependencies.ts'
import { expectRepository } from './repository-row.ts'
import { retryOnConflict } from './retry.ts'

/** How many rows are read at once where the first ones hold tags that the caller may not see. */
const ROWS_AT_ONCE = 1000

/** The most writes that {@link moveTagWrites} makes. */
export const WRITES_PER_TAG = 3

/**
 * What the caller may do with the tags of one repository. It is asked about rows that were read, and the write that follows
 * holds only while they are unchanged.
 */
export interface TagGuard {
  /** @throws {RegistryError} when the caller may not change this tag in this way */
  readonly expectAllowed: (tag: Tag, change: 'create-tag' | 'overwrite-tag' | 'delete') => void
  /**
   * Throws a RegistryError when a tag is immutable, so that everything it leads to must stay. Absent where no tag of the
   * repository can be immutable: then nothing is read to find out.
   */
  readonly expectMutable?: (tag: Tag) => void
}

/** Allows everything. Only for callers that no policy applies to. */
export const UNGUARDED: TagGuard = { expectAllowed: () => {} }

/** The tags of repositories. A tag row and its reverse, the tagged row, are always written together. */
export class Tags {
  readonly #deps: Dependencies
  constructor(deps: Dependencies) {
    this.#deps = deps
  }

  find(name: RepositoryName, tag: Tag): Promise<TagRow | undefined> {
    return this.#deps.table.get<TagRow>(keys.tag(name, tag))
  }

  /**
   * One page, in ASCII order, and whether there is more behind it.
   * @param isShown which of the tags the page is of
   * @throws {RegistryError} NAME_UNKNOWN
   */
  async list(
    name: RepositoryName,
    { limit, last }: Page,
    isShown: (tag: Tag) => boolean,
  ): Promise<{ tags: string[]; more: boolean }> {
    const { table } = this.#deps
    const { partition, prefix } = ranges.tags(name)
    const tags: Tag[] = []
    let after = last && prefix + last
    let wanted = limit + 1
    for (let more = true; more && tags.length <= limit; ) {
      const rows = await table.query(partition, { prefix, ...(after && { after }), limit: wanted })
      if (rows.length === 0 && tags.length === 0) await expectRepository(table, name)
      tags.push(...rows.map(row => row.sort.slice(prefix.length) as Tag).filter(isShown))
      more = rows.length === wanted
      after = rows.at(-1)?.sort
      wanted = ROWS_AT_ONCE
    }
    return { tags: tags.slice(0, limit), more: limit > 0 && tags.length > limit }
  }

  /** Takes a tag away; what it named stays. @throws {RegistryError} MANIFEST_UNKNOWN */
  async delete(name: RepositoryName, tag: Tag, guard: TagGuard): Promise<void> {
    await retryOnConflict(async () => {
      const row = await this.find(name, tag)
      if (!row)
        throw new RegistryError('MANIFEST_UNKNOWN', { message: `tag ${tag} does not exist`, detail: { tag } })
      guard.expectAllowed(tag, 'delete')
      await this.#deps.table.transact(...dropTagWrites(name, tag, row))
    })
  }
}

/** The writes that make a tag name another manifest, as long as it still is what was read. */
export function moveTagWrites(
  name: RepositoryName,
  tag: Tag,
  old: TagRow | undefined,
  target: Omit<TagRow, keyof Key>,
): Write[] {
  const { digest } = target
  return [
    { put: { ...keys.tag(name, tag), ...target }, if: old ? { digest: old.digest } : 'absent' },
    { put: keys.tagged(name, digest, tag) },
    ...(old && old.digest !== digest ? [{ delete: keys.tagged(name, old.digest, tag) }] : []),
  ]
}

/** The writes that take a tag away, as long as it still is what was read. */
export function dropTagWrites(name: RepositoryName, tag: Tag, { digest }: Pick<TagRow, 'digest'>): Write[] {
  return [{ delete: keys.tag(name, tag), if: { digest } }, { delete: keys.tagged(name, digest, tag) }]
}
