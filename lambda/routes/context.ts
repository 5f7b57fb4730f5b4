import type { Access } from '../auth/access.ts'
import type { Accounts } from '../auth/identity/accounts.ts'
import type { Policies } from '../auth/policy/policies.ts'
import type { TokenService } from '../auth/tokens/token-service.ts'
import type { RepositoryName } from '../protocol/name.ts'
import type { UploadId } from '../protocol/reference.ts'
import type { Registry } from '../registry/registry.ts'

/** What every handler receives besides the request. */
export interface Context {
  readonly access: Access
  readonly registry: Registry
  /** Absent when logins are turned off, as are `accounts` and `policies`. */
  readonly tokens?: TokenService
  readonly accounts?: Accounts
  readonly policies?: Policies
  /**
   * The query parameter, as `name=value`, by which CloudFront passes a direct upload on to S3.
   * @param until milliseconds since 1970
   */
  readonly signUpload?: (name: RepositoryName, upload: UploadId, until: number) => string
  /** Bytes that a chunk should have, sent in the response that begins an upload. Shorter chunks are accepted too. */
  readonly minChunkSize?: number
}
