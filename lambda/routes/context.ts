import type { Access } from '../auth/access.ts'
import type { Accounts } from '../auth/identity/accounts.ts'
import type { Policies } from '../auth/policy/policies.ts'
import type { TokenService } from '../auth/tokens/token-service.ts'
import type { Registry } from '../registry/registry.ts'
import type { UploadSession } from '../registry/sessions.ts'
import type { UploadRelay } from './upload-relay.ts'

/** The parameters of every handler besides the request. */
export interface Context {
  readonly access: Access
  readonly registry: Registry
  /** Absent when authentication is disabled, as are `accounts` and `policies`. */
  readonly tokens?: TokenService
  readonly accounts?: Accounts
  readonly policies?: Policies
  /** Returns the query parameters, as `name=value&…`, with which CloudFront passes on the bytes of an upload session. */
  readonly signUpload?: (session: UploadSession) => string
  /** Absent: the relay never stops, or there is none. */
  readonly relay?: UploadRelay
  /** Minimum chunk size that the response to a new upload announces, in bytes. Smaller chunks are accepted too. */
  readonly minChunkSize?: number
}
