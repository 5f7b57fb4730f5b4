import { RegistryError } from '../protocol/errors.ts'
import type { RepositoryName } from '../protocol/name.ts'
import { keys, ranges } from '../store/keys.ts'
import type { RepositoryRow } from '../store/records.ts'
import type { Condition, Table, Write } from '../store/table.ts'
import type { Dependencies } from './dependencies.ts'
import { garbageWrite } from './garbage.ts'

/**
 * How often the row records a push, in milliseconds. If every push wrote it, concurrent pushes would conflict there.
 */
const UPDATE_INTERVAL_MS = 60 * 60 * 1000
/** The longest time that a push of a manifest takes from its reads to its commit, in milliseconds. */
const MAX_PUSH_MS = 60 * 60 * 1000
/**
 * The value of `updated` that marks a removed repository. The next push replaces it with the time. A push that read the
 * row before the removal does not, so a repository with this value exists if it has a manifest.
 */
export const REMOVED = 0

/** The writes, if any, by which a push records its repository. @param row the row that was read */
export function repositoryWrites(name: RepositoryName, row: RepositoryRow | undefined, now: number): Write[] {
  if (!row) return [{ put: { ...keys.repository(name), created: now, updated: now }, if: 'absent' }]
  if (row.updated > now - UPDATE_INTERVAL_MS) return []
  return [
    { update: keys.repository(name), change: { set: { updated: now, collectable: false } }, if: 'present' },
  ]
}

/** The writes that mark a repository as removed and have the collector delete its row. */
export function removalWrites(deps: Dependencies, name: RepositoryName, condition: Condition): Write[] {
  const set = { updated: REMOVED, collectable: true }
  return [{ update: keys.repository(name), change: { set }, if: condition }, reviewWrite(deps, name)]
}

/**
 * Whether an older version marked the repository as removed. Then there may be no garbage row that leads to the delete
 * of its row.
 */
export function isUncollectable({ updated, collectable }: RepositoryRow): boolean {
  return updated === REMOVED && collectable !== true
}

/**
 * The write that has the collector delete the row of a removed repository, once every push that began before has ended.
 */
function reviewWrite(deps: Dependencies, repository: RepositoryName): Write {
  const due = deps.clock() + Math.min(deps.gracePeriod, MAX_PUSH_MS)
  return garbageWrite(deps, due, { what: 'repository', repository })
}

/**
 * The writes by which the collector settles the row of a removed repository. The row is deleted, or gets a time again
 * if a push that began before the removal has left a manifest. None if a later push has written the time already.
 */
export async function settleRepository(
  { table, clock }: Pick<Dependencies, 'table' | 'clock'>,
  repository: RepositoryName,
): Promise<Write[]> {
  const key = keys.repository(repository)
  const row = await table.get<RepositoryRow>(key)
  if (row?.updated !== REMOVED) return []
  const condition = { updated: REMOVED }
  if (await repositoryExists(table, row))
    return [{ update: key, change: { set: { updated: clock(), collectable: false } }, if: condition }]
  return [{ delete: key, if: condition }]
}

/** @throws {RegistryError} NAME_UNKNOWN when the repository does not exist */
export async function requireRepository(table: Table, name: RepositoryName): Promise<void> {
  const row = await table.get<RepositoryRow>(keys.repository(name))
  if (!row || !(await repositoryExists(table, row)))
    throw new RegistryError('NAME_UNKNOWN', {
      message: `repository ${name} does not exist`,
      detail: { name },
    })
}

/** Whether the repository of a row exists: the row may mark it as removed. */
export async function repositoryExists(table: Table, { sort, updated }: RepositoryRow): Promise<boolean> {
  if (updated !== REMOVED) return true
  const { partition, prefix } = ranges.manifests(sort as RepositoryName)
  return (await table.query(partition, { prefix, limit: 1 })).length > 0
}
