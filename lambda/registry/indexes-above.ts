import type { Digest } from '../protocol/digest.ts'
import { RegistryError } from '../protocol/errors.ts'
import type { RepositoryName } from '../protocol/name.ts'
import type { Tag } from '../protocol/reference.ts'
import { keys, ranges } from '../store/keys.ts'
import type { ManifestRow } from '../store/records.ts'
import type { Table, Write } from '../store/table.ts'
import { chunked } from '../util/chunked.ts'
import { getAll } from './retry.ts'

/** How many indexes above one manifest are examined. */
const MAX_INDEXES = 1000
/** For how many of them, the nearest first, the transaction of a delete requires the row that was read. */
const MAX_CHECKS = 48
/** How many indexes are read in parallel. */
const BATCH_SIZE = 16

/** DENIED: more indexes hold a manifest than one request can examine. */
export class TooManyIndexes extends RegistryError {
  constructor(digest: Digest) {
    const reason = `more than ${MAX_INDEXES} indexes hold the manifest, too many to check for immutable tags: delete those indexes first`
    super('DENIED', { message: reason, detail: { digest, reason } })
  }
}

/**
 * Checks every tag that points to an index above a manifest, at any depth. The row of the manifest itself must have
 * been read before.
 * @param requireMutable throws when a tag is immutable
 * @returns conditions for the delete of the manifest. They fail if a tag was pointed to one of the indexes since
 * @throws {TooManyIndexes}
 */
export async function requireNoImmutableTag(
  table: Table,
  name: RepositoryName,
  digest: Digest,
  requireMutable: (tag: Tag) => void,
): Promise<Write[]> {
  const seen = new Set([digest])
  const checks: Write[] = []
  let level = await parentsOf(table, name, digest)
  while (level.length > 0) {
    for (const index of level) seen.add(index)
    if (seen.size > MAX_INDEXES + 1) throw new TooManyIndexes(digest)
    // Rows are read before their tags and parents: a push that adds one of these later changes the row
    // (manifest-push.ts).
    checks.push(...(await checksOf(table, name, level.slice(0, MAX_CHECKS - checks.length))))
    const above: Digest[] = []
    for (const some of chunked(level, BATCH_SIZE)) {
      const tags = await Promise.all(some.map(index => tagsOf(table, name, index)))
      tags.flat().forEach(requireMutable)
      above.push(...(await Promise.all(some.map(index => parentsOf(table, name, index)))).flat())
    }
    level = [...new Set(above)].filter(index => !seen.has(index))
  }
  return checks
}

/** The tags that point to a manifest. */
export async function tagsOf(table: Table, name: RepositoryName, digest: Digest): Promise<Tag[]> {
  const { partition, prefix } = ranges.tagged(name, digest)
  return (await table.query(partition, { prefix })).map(row => row.sort.slice(prefix.length) as Tag)
}

async function parentsOf(table: Table, name: RepositoryName, digest: Digest): Promise<Digest[]> {
  const { partition, prefix } = ranges.parents(name, digest)
  const rows = await table.query(partition, { prefix, limit: MAX_INDEXES + 1 })
  const parents = new Set(rows.map(row => row.sort.slice(prefix.length).split('#', 1)[0] as Digest))
  return [...parents].filter(parent => parent !== digest)
}

async function checksOf(table: Table, name: RepositoryName, indexes: readonly Digest[]): Promise<Write[]> {
  const rows = await getAll<ManifestRow>(
    table,
    indexes.map(index => keys.manifest(name, index)),
  )
  return indexes.map((index, i) => {
    const row = rows[i] // absent while its push is in progress
    return {
      check: keys.manifest(name, index),
      if: row ? { push: row.push, tagging: row.tagging } : 'absent',
    }
  })
}
