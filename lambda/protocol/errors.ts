/**
 * Every error a client can meet: its code, the status it travels with and the message beside it.
 * The first group is the table of the distribution spec ("Error Codes"); the second holds the codes that the Docker
 * registry API added and clients know; the third is our own, for what neither names.
 */
const ERRORS = {
  BLOB_UNKNOWN: [404, 'blob unknown to registry'],
  BLOB_UPLOAD_INVALID: [400, 'blob upload invalid'],
  BLOB_UPLOAD_UNKNOWN: [404, 'blob upload unknown to registry'],
  DIGEST_INVALID: [400, 'provided digest did not match uploaded content'],
  MANIFEST_BLOB_UNKNOWN: [404, 'manifest references a manifest or blob unknown to registry'],
  MANIFEST_INVALID: [400, 'manifest invalid'],
  MANIFEST_UNKNOWN: [404, 'manifest unknown to registry'],
  NAME_INVALID: [400, 'invalid repository name'],
  NAME_UNKNOWN: [404, 'repository name not known to registry'],
  SIZE_INVALID: [400, 'provided length did not match content length'],
  UNAUTHORIZED: [401, 'authentication required'],
  DENIED: [403, 'requested access to the resource is denied'],
  UNSUPPORTED: [405, 'the operation is unsupported'],
  TOOMANYREQUESTS: [429, 'too many requests'],

  RANGE_INVALID: [416, 'invalid content range'],
  TAG_INVALID: [400, 'invalid tag'],
  UNAVAILABLE: [503, 'service unavailable'],
  UNKNOWN: [500, 'unknown error'],

  BAD_REQUEST: [400, 'malformed request'],
  NOT_FOUND: [404, 'not found'],
  REQUEST_TIMEOUT: [408, 'the request took too long to arrive'],
  CONTENT_TOO_LARGE: [413, 'request body too large'],
  URI_TOO_LONG: [414, 'request target too long'],
  EXPECTATION_FAILED: [417, 'expectation not supported'],
  HEADERS_TOO_LARGE: [431, 'request headers too large'],
  INSUFFICIENT_STORAGE: [507, 'the registry has no room left'],
} as const satisfies Record<string, readonly [status: number, message: string]>

export type ErrorCode = keyof typeof ERRORS

/** When to come again where nobody knows better, in seconds: no 503 goes without. */
const SOON = { 'retry-after': '1' }

interface ErrorOptions {
  /**
   * What a person is told. Docker, podman and skopeo show this alone, and no detail; so where it is absent, the reason that the detail
   * gives is told rather than the code's own words.
   */
  readonly message?: string
  /** What this case adds to the code: names, digests, the rule that was broken. Becomes `detail`. */
  readonly detail?: unknown
  /** Response headers that the error must carry, such as `Allow`, `Range` or `Retry-After`. */
  readonly headers?: Readonly<Record<string, string>>
  readonly cause?: unknown
}

/** What a client is told when a request cannot be served. Thrown anywhere, turned into HTTP in `http/app.ts` alone. */
export class RegistryError extends Error {
  override readonly name = 'RegistryError'
  readonly code: ErrorCode
  readonly detail: unknown
  readonly headers: Readonly<Record<string, string>>

  constructor(code: ErrorCode, { message, detail, headers = {}, cause }: ErrorOptions = {}) {
    super(message ?? reasonIn(detail) ?? ERRORS[code][1], cause === undefined ? undefined : { cause })
    this.code = code
    this.detail = detail
    this.headers = code === 'UNAVAILABLE' ? { ...SOON, ...headers } : headers
  }

  get status(): number {
    return ERRORS[this.code][0]
  }

  /** The error document of the distribution spec: `{"errors":[{code, message, detail}]}`. */
  toDocument(): string {
    const { code, message, detail } = this
    return JSON.stringify({ errors: [{ code, message, detail }] })
  }
}

function reasonIn(detail: unknown): string | undefined {
  const { reason } = (detail ?? {}) as { readonly reason?: unknown }
  return typeof reason === 'string' ? reason : undefined
}
