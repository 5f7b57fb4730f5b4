import type { Digest } from '../protocol/digest.ts'
import { RegistryError } from '../protocol/errors.ts'
import type { RepositoryName } from '../protocol/name.ts'
import type { Tag } from '../protocol/reference.ts'
import { keys, ranges } from '../store/keys.ts'
import type { ManifestRow } from '../store/records.ts'
import type { Table, Write } from '../store/table.ts'
import { chunked } from '../util/chunked.ts'
import { getAll } from './retry.ts'

/** How many indexes are followed upwards from one manifest. */
const MAX_INDEXES = 1000
/** How many of them the transaction of a delete holds to what was read, the nearest first. */
const MAX_CHECKS = 48
/** How many are read at the same time. */
const BATCH_SIZE = 16

/** More indexes hold a manifest than one request can look through. */
export class TooManyIndexes extends RegistryError {
  constructor(digest: Digest) {
    const reason = `more than ${MAX_INDEXES} indexes hold it, too many to look for immutable tags: delete those indexes first`
    super('DENIED', { message: reason, detail: { digest, reason } })
  }
}

/**
 * Looks at every tag that names an index above a manifest, at any depth, and gives the conditions under which no other tag
 * can have come to name one of those indexes meanwhile. The row of the manifest itself must have been read before.
 * @param expectMutable throws for a tag that is immutable
 * @throws {TooManyIndexes}
 */
export async function expectUnprotected(
  table: Table,
  name: RepositoryName,
  digest: Digest,
  expectMutable: (tag: Tag) => void,
): Promise<Write[]> {
  const seen = new Set([digest])
  const checks: Write[] = []
  let level = await parentsOf(table, name, digest)
  while (level.length > 0) {
    for (const index of level) seen.add(index)
    if (seen.size > MAX_INDEXES + 1) throw new TooManyIndexes(digest)
    // The rows before their tags and parents: a push that adds one of those later changes the row (manifest-push.ts).
    checks.push(...(await checksOf(table, name, level.slice(0, MAX_CHECKS - checks.length))))
    const above: Digest[] = []
    for (const some of chunked(level, BATCH_SIZE)) {
      const tags = await Promise.all(some.map(index => tagsOf(table, name, index)))
      tags.flat().forEach(expectMutable)
      above.push(...(await Promise.all(some.map(index => parentsOf(table, name, index)))).flat())
    }
    level = [...new Set(above)].filter(index => !seen.has(index))
  }
  return checks
}

/** The tags that name a manifest. */
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
    const row = rows[i] // none while its push is not finished
    return {
      check: keys.manifest(name, index),
      if: row ? { push: row.push, tagging: row.tagging } : 'absent',
    }
  })
}
