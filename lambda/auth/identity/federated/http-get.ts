import { RegistryError } from '../../../protocol/errors.ts'

/** Longer than any answer that is waited for here. Bytes. */
const MAX_LENGTH = 256 * 1024
/** A client waits for us while we wait. Milliseconds. */
const TIMEOUT = 3_000

export interface HttpGetResult {
  readonly status: number
  readonly text: string
}

/** Sends a GET request. @throws {RegistryError} UNAVAILABLE when there is no usable response */
export type HttpGet = (url: URL, headers?: Readonly<Record<string, string>>) => Promise<HttpGetResult>

/** Follows no redirect, waits three seconds, and reads no more than 256 KiB. */
export const httpGet: HttpGet = async (url, headers = {}) => {
  try {
    const signal = AbortSignal.timeout(TIMEOUT)
    const answer = await fetch(url, {
      headers: { accept: 'application/json', ...headers },
      redirect: 'error',
      signal,
    })
    return { status: answer.status, text: await textOf(answer) }
  } catch (cause) {
    throw new RegistryError('UNAVAILABLE', {
      cause,
      detail: { reason: `${url.host} does not answer` },
      headers: { 'retry-after': '5' },
    })
  }
}

async function textOf({ body }: Response): Promise<string> {
  const pieces: Uint8Array[] = []
  let length = 0
  for await (const piece of body ?? []) {
    length += piece.length
    if (length > MAX_LENGTH) throw new Error(`the answer is longer than ${MAX_LENGTH} bytes`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString()
}

/** The same, but asks another server. It hears in `x-forwarded-host` whom it stands for, since `fetch` sends no `host` of our choice. */
export function httpGetFrom(endpoint: string): HttpGet {
  return ({ host, pathname, search }, headers) =>
    httpGet(new URL(pathname + search, endpoint), { ...headers, 'x-forwarded-host': host })
}
