import { RegistryError } from '../protocol/errors.ts'
import type { RepositoryName } from '../protocol/name.ts'
import { keys, ranges } from '../store/keys.ts'
import type { RepositoryRow } from '../store/records.ts'
import type { Condition, Table, Write } from '../store/table.ts'
import type { Dependencies } from './dependencies.ts'
import { garbageWrite } from './garbage.ts'

/** How far behind the last push the row may be. If every push wrote it, all of them would meet there. Milliseconds. */
const UPDATE_EVERY = 60 * 60 * 1000
/** No push of a manifest takes longer from its reads to its commit. Milliseconds. */
const LONGEST_PUSH = 60 * 60 * 1000
/**
 * Stands for the last push in the row of a repository that was removed. The next push finds it old, and writes the time. But a push
 * that read the row before the removal leaves it as it is; so with this in its row, a repository is there if it has a manifest.
 */
export const REMOVED_AT = 0

/** The writes, if any, by which a push makes its repository known. `row` is what was read of it. */
export function repositoryWrites(name: RepositoryName, row: RepositoryRow | undefined, now: number): Write[] {
  if (!row) return [{ put: { ...keys.repository(name), created: now, updated: now }, if: 'absent' }]
  if (row.updated > now - UPDATE_EVERY) return []
  return [
    { update: keys.repository(name), change: { set: { updated: now, collectable: false } }, if: 'present' },
  ]
}

/** The writes that mark a repository as removed and have the collector end its row. */
export function removalWrites(deps: Dependencies, name: RepositoryName, condition: Condition): Write[] {
  const set = { updated: REMOVED_AT, collectable: true }
  return [{ update: keys.repository(name), change: { set }, if: condition }, forgetRepository(deps, name)]
}

/** Whether the row is of a removed repository and an older version wrote it: then no garbage row may end it. */
export function isUncollectable({ updated, collectable }: RepositoryRow): boolean {
  return updated === REMOVED_AT && collectable !== true
}

/** The write that puts the row of a removed repository on the collector's list, for when no earlier push is at work any more. */
function forgetRepository(deps: Dependencies, repository: RepositoryName): Write {
  const due = deps.clock() + Math.min(deps.gracePeriod, LONGEST_PUSH)
  return garbageWrite(deps, due, { what: 'repository', repository })
}

/**
 * The writes that end the row of a repository that was removed: it is deleted, or dated where a push that read it before the
 * removal has left a manifest. There are none where a push has dated it since.
 */
export async function settleRepository(
  { table, clock }: Pick<Dependencies, 'table' | 'clock'>,
  repository: RepositoryName,
): Promise<Write[]> {
  const key = keys.repository(repository)
  const row = await table.get<RepositoryRow>(key)
  if (row?.updated !== REMOVED_AT) return []
  const condition = { updated: REMOVED_AT }
  if (await repositoryExists(table, row))
    return [{ update: key, change: { set: { updated: clock(), collectable: false } }, if: condition }]
  return [{ delete: key, if: condition }]
}

/** @throws {RegistryError} NAME_UNKNOWN where there is no such repository */
export async function expectRepository(table: Table, name: RepositoryName): Promise<void> {
  const row = await table.get<RepositoryRow>(keys.repository(name))
  if (!row || !(await repositoryExists(table, row)))
    throw new RegistryError('NAME_UNKNOWN', {
      message: `repository ${name} does not exist`,
      detail: { name },
    })
}

/** Whether a repository that has a row is there. */
export async function repositoryExists(table: Table, { sort, updated }: RepositoryRow): Promise<boolean> {
  if (updated !== REMOVED_AT) return true
  const { partition, prefix } = ranges.manifests(sort as RepositoryName)
  return (await table.query(partition, { prefix, limit: 1 })).length > 0
}
