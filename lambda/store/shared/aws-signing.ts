import { Hash } from '@smithy/core/serde'

/** AWS credentials, in the form that the SDK's signers and credential providers use. */
export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  /** When the credentials expire, and with them every URL that they signed. */
  readonly expiration?: Date
}

/** SHA-256, or HMAC-SHA-256 with a secret: the `sha256` option of the SDK's signers. */
export class Sha256 extends Hash {
  constructor(secret?: ConstructorParameters<typeof Hash>[1]) {
    super('sha256', secret)
  }
}
