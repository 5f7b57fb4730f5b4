import type { Access } from '../auth/access.ts'
import { forbidden } from '../auth/tokens/challenge.ts'
import type { RepositoryName } from '../protocol/name.ts'
import type { TagGuard } from '../registry/tags.ts'

/** The guard that checks each change of a tag against the policy, for one caller and one repository. */
export function tagGuard(name: RepositoryName, access: Access): TagGuard {
  const isImmutable = access.immutableTags(name)
  return {
    requireAllowed: (tag, change) => access.require(change, name, tag),
    ...(isImmutable && {
      requireMutable: tag => {
        if (isImmutable(tag))
          throw forbidden('delete', {
            repository: name,
            tag,
            because: `the tag ${tag} is immutable and requires this manifest`,
          })
      },
    }),
  }
}
