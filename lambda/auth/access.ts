import type { RepositoryName } from '../protocol/name.ts'
import type { Tag, UploadId } from '../protocol/reference.ts'
import type { Subject } from './identity/subject.ts'
import type { RepositoryFilter } from './policy/repository-filter.ts'
import type { Right } from './policy/schema.ts'

/** What the one who asks may do. */
export interface Access {
  readonly subject: Subject
  /** By which sessions are bound to him. */
  readonly owner: string
  /** Whether he may do it now, with what he has shown. */
  can(action: Right, repository: RepositoryName, tag?: Tag): boolean
  /** @throws {RegistryError} DENIED, naming action and repository; UNAUTHORIZED where a login may help */
  require(action: Right, repository: RepositoryName, tag?: Tag): void
  /** Which tags of a repository are immutable for everybody; undefined where none can be. */
  immutableTags(repository: RepositoryName): ((tag: Tag) => boolean) | undefined
  /** Whether he may know that a repository is there: whether he may pull from it, for whatever his token was given. */
  canSee(repository: RepositoryName): boolean
  /** The repositories that {@link canSee} is true of, for listings. */
  readonly visible: RepositoryFilter
  /** Whether he may pull from every repository, known or not. */
  readonly canPullAll: boolean
  /** The upload token for a session's URL, as `name=value`; undefined where authentication is disabled. @param until milliseconds since 1970 */
  uploadToken(repository: RepositoryName, upload: UploadId, until: number): string | undefined
}
