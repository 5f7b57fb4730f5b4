import { RegistryError } from '../protocol/errors.ts'
import type { RepositoryName } from '../protocol/name.ts'
import type { Page } from '../protocol/pagination.ts'
import type { Tag } from '../protocol/reference.ts'
import { keys, ranges } from '../store/keys.ts'
import type { TagRow } from '../store/records.ts'
import type { Key, Write } from '../store/table.ts'
import type { Dependencies } from './dependencies.ts'
import { requireRepository } from './repository-row.ts'
import { retryOnConflict } from './retry.ts'

/** How many rows one query reads. The first query of a page reads only as many as the page needs. */
const ROWS_PER_QUERY = 1000

/** The largest number of writes of {@link moveTagWrites}. */
export const WRITES_PER_TAG = 3

/**
 * Checks what the caller may do with the tags of one repository. It is called with tags that were read. The write that
 * follows fails if they have changed since.
 */
export interface TagGuard {
  /** @throws {RegistryError} when the caller may not change this tag in this way */
  readonly requireAllowed: (tag: Tag, change: 'create-tag' | 'overwrite-tag' | 'delete') => void
  /**
   * Throws a RegistryError when a tag is immutable, because every manifest reachable from it must stay. Absent where no
   * tag of the repository can be immutable, so that no rows need to be read.
   */
  readonly requireMutable?: (tag: Tag) => void
}

/** Allows everything. Only for callers to which no policy applies. */
export const UNGUARDED: TagGuard = { requireAllowed: () => {} }

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
   * One page of the tags, in ASCII order, and whether more follow.
   * @param isShown whether the caller may see a tag
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
    let rowLimit = limit + 1
    for (let more = true; more && tags.length <= limit; ) {
      const rows = await table.query(partition, { prefix, ...(after && { after }), limit: rowLimit })
      if (rows.length === 0 && tags.length === 0) await requireRepository(table, name)
      tags.push(...rows.map(row => row.sort.slice(prefix.length) as Tag).filter(isShown))
      more = rows.length === rowLimit
      after = rows.at(-1)?.sort
      rowLimit = ROWS_PER_QUERY
    }
    return { tags: tags.slice(0, limit), more: limit > 0 && tags.length > limit }
  }

  /** Deletes a tag but not its manifest. @throws {RegistryError} MANIFEST_UNKNOWN; the errors of the guard */
  async delete(name: RepositoryName, tag: Tag, guard: TagGuard): Promise<void> {
    await retryOnConflict(async () => {
      const row = await this.find(name, tag)
      if (!row)
        throw new RegistryError('MANIFEST_UNKNOWN', { message: `tag ${tag} does not exist`, detail: { tag } })
      guard.requireAllowed(tag, 'delete')
      await this.#deps.table.transact(...dropTagWrites(name, tag, row))
    })
  }
}

/** The writes that point a tag to a manifest, if the tag has not changed since it was read. */
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

/** The writes that delete a tag, if it has not changed since it was read. */
export function dropTagWrites(name: RepositoryName, tag: Tag, { digest }: Pick<TagRow, 'digest'>): Write[] {
  return [{ delete: keys.tag(name, tag), if: { digest } }, { delete: keys.tagged(name, digest, tag) }]
}
