import type { Access } from '../auth/access.ts'
import { forbidden } from '../auth/tokens/challenge.ts'
import type { RepositoryName } from '../protocol/name.ts'
import type { TagGuard } from '../registry/tags.ts'

/** Lets the caller do with the tags of a repository what the policy allows them. */
export function tagGuard(name: RepositoryName, access: Access): TagGuard {
  const isImmutable = access.immutableTags(name)
  return {
    expectAllowed: (tag, change) => access.require(change, name, tag),
    ...(isImmutable && {
      expectMutable: tag => {
        if (isImmutable(tag))
          throw forbidden('delete', {
            repository: name,
            tag,
            because: `the tag ${tag} is immutable and needs this manifest`,
          })
      },
    }),
  }
}
