import { createHmac } from 'node:crypto'
import type { Digest } from '../protocol/digest.ts'
import type { RepositoryName } from '../protocol/name.ts'
import type { UploadId } from '../protocol/reference.ts'

/** 256 bits as base64url. The text itself is the HMAC's key, so that the edge need not decode it. */
const KEY = /^[0-9A-Za-z_-]{43}$/

/**
 * Signs what CloudFront lets through to the bucket. `infra/edge/viewer-request.js` verifies it, and
 * `docs/decisions/0009-edge-links.md` says why it looks as it does. Times are whole seconds since 1970.
 */
export class CloudFrontSigner {
  readonly #key: string

  /** @throws {TypeError} for anything but 43 characters of base64url. The message does not repeat it. */
  constructor(key: string) {
    if (!KEY.test(key)) throw new TypeError('the key of the edge is not 43 characters of base64url')
    this.#key = key
  }

  /**
   * The query of an upload's `Location`. With it a client may write the whole blob to the bucket in one PUT, as
   * `direct/<upload>/<repository>`, once, until `expires`. It names no digest, which the client adds.
   */
  uploadQuery(upload: UploadId, name: RepositoryName, expires: number): string {
    return `direct=${this.#sign(['upload', upload, name], expires)}`
  }

  /**
   * The path under which GET and HEAD of an object work until `expires`, whoever asks.
   * @param key of the object in the bucket: `blobs/<upload>` or `direct/<upload>/<repository>`
   */
  pullPath(digest: Digest, key: string, expires: number): string {
    return `/pull/${this.#sign(['pull', digest, key], expires)}/${digest}/${key}`
  }

  /** `<expires>.<signature>`. The first word tells what is signed, so no link of one kind can be taken for one of the other. */
  #sign(what: readonly string[], expires: number): string {
    if (!Number.isSafeInteger(expires) || expires <= 0)
      throw new TypeError(`${expires} is not a time in whole seconds since 1970`)
    const text = [...what, expires].join('\n')
    return `${expires}.${createHmac('sha256', this.#key).update(text).digest('base64url')}`
  }
}
