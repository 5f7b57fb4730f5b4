import { RegistryError } from '../protocol/errors.ts'
import type { RepositoryName } from '../protocol/name.ts'
import type { Page } from '../protocol/pagination.ts'
import type { Tag } from '../protocol/reference.ts'
import { keys, stretches } from '../store/keys.ts'
import type { TagRow } from '../store/records.ts'
import type { Key, Write } from '../store/table.ts'
import type { Dependencies } from './dependencies.ts'
import { expectRepository } from './repository-row.ts'
import { untilItHolds } from './transactions.ts'

/** The most writes that {@link moveTag} makes. */
export const WRITES_PER_TAG = 3

/**
 * Whether a tag may be made, moved or taken away; throws when not. Asked about what was read, and what is then written holds only
 * while that is still so: so nobody slips between the question and the deed.
 */
export type TagGuard = (tag: Tag, change: 'create-tag' | 'overwrite-tag' | 'delete') => void

/** For where everything may be done. */
export const UNGUARDED: TagGuard = () => {}

/** The tags of repositories. A tag row and its reverse, the tagged row, are always written together. */
export class Tags {
  readonly #deps: Dependencies
  constructor(deps: Dependencies) {
    this.#deps = deps
  }

  find(name: RepositoryName, tag: Tag): Promise<TagRow | undefined> {
    return this.#deps.table.get<TagRow>(keys.tag(name, tag))
  }

  /** One page, in ASCII order, and whether there is more behind it. @throws {RegistryError} NAME_UNKNOWN */
  async list(name: RepositoryName, { limit, last }: Page): Promise<{ tags: string[]; more: boolean }> {
    const { table } = this.#deps
    const { partition, prefix } = stretches.tags(name)
    const rows = await table.query(partition, {
      prefix,
      ...(last && { after: prefix + last }),
      limit: limit + 1,
    })
    if (rows.length === 0) await expectRepository(table, name)
    const tags = rows.slice(0, limit).map(row => row.sort.slice(prefix.length))
    return { tags, more: limit > 0 && rows.length > limit }
  }

  /** Takes a tag away; what it named stays. @throws {RegistryError} MANIFEST_UNKNOWN */
  async delete(name: RepositoryName, tag: Tag, guard: TagGuard = UNGUARDED): Promise<void> {
    await untilItHolds(async () => {
      const row = await this.find(name, tag)
      if (!row) throw new RegistryError('MANIFEST_UNKNOWN', { detail: { tag } })
      guard(tag, 'delete')
      await this.#deps.table.transact(...dropTag(name, tag, row))
    })
  }
}

/** The writes that make a tag name another manifest, as long as it still is what was read. */
export function moveTag(
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
export function dropTag(name: RepositoryName, tag: Tag, { digest }: Pick<TagRow, 'digest'>): Write[] {
  return [{ delete: keys.tag(name, tag), if: { digest } }, { delete: keys.tagged(name, digest, tag) }]
}
