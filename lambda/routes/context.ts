import type { Access } from '../auth/access.ts'
import type { Accounts } from '../auth/identity/accounts.ts'
import type { Policies } from '../auth/policy/policies.ts'
import type { TokenService } from '../auth/tokens/token-service.ts'
import type { SessionAddress } from '../protocol/reference.ts'
import type { Registry } from '../registry/registry.ts'

/** The parameters of every handler besides the request. */
export interface Context {
  readonly access: Access
  readonly registry: Registry
  /** Absent when authentication is disabled, as are `accounts` and `policies`. */
  readonly tokens?: TokenService
  readonly accounts?: Accounts
  readonly policies?: Policies
  /**
   * Returns the query parameter, as `name=value`, with which CloudFront passes a direct upload to S3.
   * @param until expiry, in milliseconds since 1970
   */
  readonly signUpload?: (session: SessionAddress, until: number) => string
  /** Minimum chunk size that the response to a new upload announces, in bytes. Smaller chunks are accepted too. */
  readonly minChunkSize?: number
}
