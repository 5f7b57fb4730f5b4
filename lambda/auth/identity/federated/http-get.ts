import { RegistryError } from '../../../protocol/errors.ts'

/** Maximum length of a response, in bytes. Responses of STS and OpenID providers are shorter. */
const MAX_LENGTH = 256 * 1024
/** Milliseconds. Short, because the login of a client waits for the response. */
const TIMEOUT_MS = 3_000

export interface HttpGetResult {
  readonly status: number
  readonly text: string
}

/** Sends a GET request. @throws {RegistryError} UNAVAILABLE when there is no usable response */
export type HttpGet = (url: URL, headers?: Readonly<Record<string, string>>) => Promise<HttpGetResult>

/** Follows no redirect, waits three seconds, and reads no more than 256 KiB. */
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
      detail: { reason: `${url.host} does not answer` },
      headers: { 'retry-after': '5' },
    })
  }
}

async function textOf({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of body ?? []) {
    length += chunk.length
    if (length > MAX_LENGTH) throw new Error(`the response is longer than ${MAX_LENGTH} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

/** Sends every request to `endpoint`, with the original host in `x-forwarded-host`, because `fetch` cannot set `host`. */
export function httpGetFrom(endpoint: string): HttpGet {
  return ({ host, pathname, search }, headers) =>
    httpGet(new URL(pathname + search, endpoint), { ...headers, 'x-forwarded-host': host })
}
