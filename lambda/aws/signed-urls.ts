import { createHmac } from 'node:crypto'
import type { Digest } from '../protocol/digest.ts'
import type { SessionAddress } from '../protocol/reference.ts'

/** 256 bits in base64url. The text itself is the HMAC key, so that the edge does not need to decode it. */
const KEY = /^[0-9A-Za-z_-]{43}$/

/**
 * Signs URLs with which CloudFront passes on uploads, and pulls to the bucket. `infra/edge/signatures.js` verifies them;
 * `docs/decisions/0009-signed-urls.md` explains the format. Times are whole seconds since 1970.
 */
export class CloudFrontSigner {
  readonly #key: string

  /** @throws {TypeError} unless the key is 43 characters of base64url. The message does not contain it. */
  constructor(key: string) {
    if (!KEY.test(key)) throw new TypeError('the edge key must be 43 characters of base64url')
    this.#key = key
  }

  /**
   * The query parameter of an upload session's `Location` that allows one PUT of a whole blob to the bucket, as
   * `direct/<upload>/<repository>`, until `expires`. The client adds the digest.
   */
  directQuery({ name, upload }: SessionAddress, expires: number): string {
    return `direct=${this.#sign(['upload', upload, name], expires)}`
  }

  /** The query parameter of an upload session's `Location` that allows bodies to the API and the relay until `expires`. */
  streamQuery({ name, upload }: SessionAddress, expires: number): string {
    return `stream=${this.#sign(['stream', upload, name], expires)}`
  }

  /**
   * The mark in the header of an access token that allows a push. The edge passes bodies above 64 KiB with it until
   * `expires`, without a key that could sign tokens.
   */
  pushTokenMark(expires: number): string {
    return this.#sign(['token'], expires)
  }

  /**
   * The path by which every client may GET and HEAD an object until `expires`.
   * @param key key of the object in the bucket: `blobs/<upload>` or `direct/<upload>/<repository>`
   */
  pullPath(digest: Digest, key: string, expires: number): string {
    return `/pull/${this.#sign(['pull', digest, key], expires)}/${digest}/${key}`
  }

  /** Returns `<expires>.<signature>`. The first value is the kind of URL, so that no kind can be used as another. */
  #sign(values: readonly string[], expires: number): string {
    if (!Number.isSafeInteger(expires) || expires <= 0)
      throw new TypeError(`the expiry ${expires} must be whole seconds since 1970`)
    const text = [...values, expires].join('\n')
    return `${expires}.${createHmac('sha256', this.#key).update(text).digest('base64url')}`
  }
}
