import type { Access } from '../auth/access.ts'
import type { RepositoryName } from '../protocol/name.ts'
import type { TagGuard } from '../registry/tags.ts'

/** Lets the one who asks do with tags what the policy allows him. */
export function guardOf(name: RepositoryName, access: Access): TagGuard {
  return (tag, change) => access.demand(change, name, tag)
}
