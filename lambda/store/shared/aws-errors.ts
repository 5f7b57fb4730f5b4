/** What Node calls a connection that was not to be had or was lost. */
const CONNECTION = new Set([
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

/** No answer in time; and no credentials, which a container fetches anew every few hours. */
const ABSENT = new Set(['TimeoutError', 'CredentialsProviderError'])

/** Statuses that pass by themselves: of the service, or of what is in front of it. */
const BUSY = new Set([429, 500, 502, 503, 504])

/**
 * Whether an error of the SDK means that a service of AWS is overloaded or broken, or the way to it is. It has gone
 * through the SDK's own retries then.
 */
export function isUnreachable(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { name, code, $metadata } = error as Failure
  const status = $metadata?.httpStatusCode ?? 0
  return ABSENT.has(name) || CONNECTION.has(String(code)) || BUSY.has(status)
}

type Failure = Error & { code?: unknown; $metadata?: { httpStatusCode?: number } }
