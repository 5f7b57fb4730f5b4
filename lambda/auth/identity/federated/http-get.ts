import { RegistryError } from '../../../protocol/errors.ts'

/** Maximum length of a response. Responses of STS and of OpenID providers are much shorter. */
const MAX_RESPONSE_BYTES = 256 * 1024
/** Short, because a client waits for the response at its login. */
const TIMEOUT_MS = 3_000

export interface HttpGetResult {
  readonly status: number
  readonly text: string
}

/** Sends a GET request. @throws {RegistryError} UNAVAILABLE if there is no valid response */
export type HttpGet = (url: URL, headers?: Readonly<Record<string, string>>) => Promise<HttpGetResult>

/** Sends a GET request. It does not follow redirects, waits three seconds, and accepts at most 256 KiB. */
export const httpGet: HttpGet = async (url, headers = {}) => {
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    const response = await fetch(url, {
      headers: { accept: 'application/json', ...headers },
      redirect: 'error',
      signal,
    })
    return { status: response.status, text: await textOf(response) }
  } catch (cause) {
    throw new RegistryError('UNAVAILABLE', {
      cause,
      detail: { reason: `no valid response from ${url.host}` },
      headers: { 'retry-after': '5' },
    })
  }
}

async function textOf({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of body ?? []) {
    length += chunk.length
    if (length > MAX_RESPONSE_BYTES)
      throw new Error(`the response is longer than ${MAX_RESPONSE_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

/**
 * Sends every request to `endpoint`. The header `x-forwarded-host` carries the original host, because `fetch` cannot
 * set `host`.
 */
export function httpGetFrom(endpoint: string): HttpGet {
  return ({ host, pathname, search }, headers) =>
    httpGet(new URL(pathname + search, endpoint), { ...headers, 'x-forwarded-host': host })
}
