/** Node's error codes for a connection that failed or was lost. */
const CONNECTION_ERRORS = new Set([
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
])

/** No response in time, or no credentials: a container fetches new ones every few hours. */
const NO_RESPONSE = new Set(['TimeoutError', 'CredentialsProviderError'])

/** Transient HTTP statuses, of the service or of a proxy in front of it. */
const TRANSIENT_STATUSES = new Set([429, 500, 502, 503, 504])

/**
 * Whether an SDK error means that an AWS service is overloaded, broken or unreachable. The SDK has made its own
 * retries before.
 */
export function isUnreachable(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { name, code, $metadata } = error as Failure
  const status = $metadata?.httpStatusCode ?? 0
  return NO_RESPONSE.has(name) || CONNECTION_ERRORS.has(String(code)) || TRANSIENT_STATUSES.has(status)
}

type Failure = Error & { code?: unknown; $metadata?: { httpStatusCode?: number } }
