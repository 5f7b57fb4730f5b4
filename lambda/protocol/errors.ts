/**
 * Every error a client can meet: its code, the status it travels with and the message beside it.
 * The first group is the table of the distribution spec ("Error Codes"); the second holds the codes that the Docker
 * registry API added and clients know; the third is our own, for what neither names.
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
   * The sentence that a person reads. Docker, podman and skopeo show it and never the detail. Without one, the reason in the detail is
   * the message; without that, the words of the code and what the detail says.
   */
  readonly message?: string | undefined
  /** What this case adds to the code: names, digests, the rule that was broken. Becomes `detail`. */
  readonly detail?: unknown
  /** Response headers that the error must carry, such as `Allow`, `Range` or `Retry-After`. */
  readonly headers?: Readonly<Record<string, string>>
  readonly cause?: unknown
  /** Whether the log shall have the cause although the status is a client's: the registry has lost something. */
  readonly isFault?: boolean
}

/** What a client is told when a request cannot be served. Thrown anywhere, turned into HTTP in `http/app.ts` alone. */
export class RegistryError extends Error {
  override readonly name = 'RegistryError'
  readonly code: ErrorCode
  readonly detail: unknown
  readonly headers: Readonly<Record<string, string>>
  /** Whether the cause belongs into the log, as an error of ours. */
  readonly isFault: boolean

  constructor(code: ErrorCode, { message, detail, headers = {}, cause, isFault }: ErrorOptions = {}) {
    super(message ?? messageOf(code, detail), cause === undefined ? undefined : { cause })
    this.code = code
    this.detail = detail
    this.isFault = isFault ?? ERRORS[code][0] >= 500
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

/** Digests are long, and some clients print the message on one line. Characters. */
const MAX_MESSAGE_DETAIL = 500

/** What a person needs to know must be in the message: most clients print nothing else of an error document. */
function messageOf(code: ErrorCode, detail: unknown): string {
  const words = ERRORS[code][1]
  if (typeof detail === 'string') return `${words}: ${detail}`
  if (typeof detail !== 'object' || detail === null) return words
  const { reason, rule, ...others } = detail as Readonly<Record<string, unknown>>
  for (const sentence of [reason, rule]) if (typeof sentence === 'string') return sentence
  const facts = Object.entries(others).flatMap(([name, value]) => {
    const text = factText(value)
    return text === '' ? [] : [`${name} ${text}`]
  })
  if (facts.length === 0) return words
  const all = facts.join(', ')
  return `${words}: ${all.length > MAX_MESSAGE_DETAIL ? `${all.slice(0, MAX_MESSAGE_DETAIL)}…` : all}`
}

function factText(value: unknown): string {
  if (Array.isArray(value)) return value.map(factText).join(', ')
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}
