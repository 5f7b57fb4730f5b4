/**
 * Every error that a client can receive: code, HTTP status and default message.
 * The first group is the table of the distribution spec ("Error Codes"). The second contains codes that the Docker
 * registry API added and that clients know. The third contains our own codes, for cases that the other groups do not cover.
 */
const ERRORS = {
  BLOB_UNKNOWN: [404, 'blob unknown to registry'],
  BLOB_UPLOAD_INVALID: [400, 'blob upload invalid'],
  BLOB_UPLOAD_UNKNOWN: [404, 'blob upload unknown to registry'],
  DIGEST_INVALID: [400, 'digest missing, malformed or not that of the content'],
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
  LENGTH_REQUIRED: [411, 'the request must have a Content-Length'],
  CONTENT_TOO_LARGE: [413, 'request body too large'],
  URI_TOO_LONG: [414, 'request target too long'],
  EXPECTATION_FAILED: [417, 'expectation not supported'],
  HEADERS_TOO_LARGE: [431, 'request headers too large'],
  INSUFFICIENT_STORAGE: [507, 'the registry has no room left'],
} as const satisfies Record<string, readonly [status: number, message: string]>

export type ErrorCode = keyof typeof ERRORS

/** The default Retry-After of a 503, in seconds. */
const RETRY_AFTER = { 'retry-after': '1' }

interface ErrorOptions {
  /**
   * The sentence for people. Docker, podman and skopeo show it, but not the detail. Default: `reason` or `rule` of the detail; without
   * them, the message of the code, followed by the fields of the detail.
   */
  readonly message?: string | undefined
  /** The field `detail` of the error document: names, digests, the violated rule. */
  readonly detail?: unknown
  /** Response headers that the error must carry, such as `Allow`, `Range` or `Retry-After`. */
  readonly headers?: Readonly<Record<string, string>>
  readonly cause?: unknown
  /** Whether to log the cause. Default: for statuses of 500 and above. Set it if the registry has lost data. */
  readonly isFault?: boolean
}

/** An error that the client receives. Any code may throw it. Only `http/app.ts` converts it to an HTTP response. */
export class RegistryError extends Error {
  override readonly name = 'RegistryError'
  readonly code: ErrorCode
  readonly detail: unknown
  readonly headers: Readonly<Record<string, string>>
  /** Whether the error is logged as a fault of the registry. */
  readonly isFault: boolean

  constructor(code: ErrorCode, { message, detail, headers = {}, cause, isFault }: ErrorOptions = {}) {
    super(message ?? messageOf(code, detail), cause === undefined ? undefined : { cause })
    this.code = code
    this.detail = detail
    this.isFault = isFault ?? ERRORS[code][0] >= 500
    this.headers = code === 'UNAVAILABLE' ? { ...RETRY_AFTER, ...headers } : headers
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

/** In characters: some clients print the message on one line. */
const MAX_MESSAGE_DETAIL = 500

/** Builds a message with every fact that a person needs: most clients print only the message of an error document. */
function messageOf(code: ErrorCode, detail: unknown): string {
  const defaultMessage = ERRORS[code][1]
  if (typeof detail === 'string') return `${defaultMessage}: ${detail}`
  if (typeof detail !== 'object' || detail === null) return defaultMessage
  const { reason, rule, ...others } = detail as Readonly<Record<string, unknown>>
  for (const sentence of [reason, rule]) if (typeof sentence === 'string') return sentence
  const facts = Object.entries(others).flatMap(([name, value]) => {
    const text = factText(value)
    return text === '' ? [] : [`${name} ${text}`]
  })
  if (facts.length === 0) return defaultMessage
  const all = facts.join(', ')
  return `${defaultMessage}: ${all.length > MAX_MESSAGE_DETAIL ? `${all.slice(0, MAX_MESSAGE_DETAIL)}…` : all}`
}

function factText(value: unknown): string {
  if (Array.isArray(value)) return value.map(factText).join(', ')
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}
