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

/**
 * SDK errors: no response in time, or no credentials. A container fetches new credentials every few hours, which can
 * fail.
 */
const NO_RESPONSE = new Set(['TimeoutError', 'CredentialsProviderError'])

/** HTTP statuses of transient failures, of the service or of a proxy in front of it. */
const TRANSIENT_STATUSES = new Set([429, 500, 502, 503, 504])

/**
 * Whether an SDK error means that an AWS service is overloaded, broken or unreachable. The SDK throws it after its own
 * retries.
 */
export function isUnreachable(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { name, code, $metadata } = error as SdkError
  const status = $metadata?.httpStatusCode ?? 0
  return NO_RESPONSE.has(name) || CONNECTION_ERRORS.has(String(code)) || TRANSIENT_STATUSES.has(status)
}

type SdkError = Error & { code?: unknown; $metadata?: { httpStatusCode?: number } }
