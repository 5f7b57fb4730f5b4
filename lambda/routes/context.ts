import type { Access } from '../auth/access.ts'
import type { Accounts } from '../auth/identity/accounts.ts'
import type { Policies } from '../auth/policy/policies.ts'
import type { TokenService } from '../auth/tokens/token-service.ts'
import type { RepositoryName } from '../protocol/name.ts'
import type { UploadId } from '../protocol/reference.ts'
import type { Registry } from '../registry/registry.ts'

/** What every handler works on. */
export interface Context {
  readonly access: Access
  readonly registry: Registry
  /** Absent where nobody logs in. */
  readonly tokens?: TokenService
  readonly accounts?: Accounts
  readonly policies?: Policies
  /**
   * How clients reach this registry, such as `https://registry.example`, or the empty text. It comes before every path
   * that we tell clients; without it they resolve the path against the address they used. Never taken from `Host`.
   */
  readonly origin: string
  /**
   * What an upload URL must carry, as `name=value`, for the edge to let a whole blob through to the store.
   * @param until milliseconds since 1970
   */
  readonly signUpload?: (name: RepositoryName, upload: UploadId, until: number) => string
  /** Bytes that a chunk should have, told to who begins an upload. Shorter ones are taken all the same. */
  readonly minChunkSize?: number
}
