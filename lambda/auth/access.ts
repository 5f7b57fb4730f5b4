import type { RepositoryName } from '../protocol/name.ts'
import type { SessionAddress, Tag } from '../protocol/reference.ts'
import type { Subject } from './identity/subject.ts'
import type { RepositoryFilter } from './policy/repository-filter.ts'
import type { Right } from './policy/schema.ts'

/** The permissions of the subject of a request. */
export interface Access {
  readonly subject: Subject
  /** A stable id of the subject, which upload sessions record as their owner. */
  readonly owner: string
  /** Whether the policy and the scopes of the token both allow the action. */
  can(action: Right, repository: RepositoryName, tag?: Tag): boolean
  /**
   * @throws {RegistryError} DENIED with the action and the repository; UNAUTHORIZED if a login or another token may
   * help
   */
  require(action: Right, repository: RepositoryName, tag?: Tag): void
  /**
   * The test for immutable tags of a repository, which no subject may change. Undefined if no tag of it can be
   * immutable.
   */
  immutableTags(repository: RepositoryName): ((tag: Tag) => boolean) | undefined
  /**
   * Whether the policy lets the subject pull from a repository, and thus know that it exists. The scopes of the token
   * do not matter.
   */
  canSee(repository: RepositoryName): boolean
  /** The repositories for which {@link canSee} is true, for listings. */
  readonly visible: RepositoryFilter
  /** Whether the subject may pull from every repository, including those that do not exist yet. */
  readonly canPullAll: boolean
  /**
   * The upload token for a session's URL, as `name=value`. Undefined if authentication is disabled.
   * @param until when it expires, in milliseconds since 1970
   */
  uploadToken(session: SessionAddress, until: number): string | undefined
}
