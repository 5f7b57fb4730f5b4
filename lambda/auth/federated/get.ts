import { RegistryError } from '../../protocol/errors.ts'

/** Longer than any answer that is waited for here. Bytes. */
const LONGEST = 256 * 1024
/** A client waits for us while we wait. Milliseconds. */
const TIMEOUT = 3_000

export interface Got {
  readonly status: number
  readonly text: string
}

/** Asks somebody else over HTTP. @throws {RegistryError} UNAVAILABLE when no answer comes that can be used */
export type Get = (url: URL, headers?: Readonly<Record<string, string>>) => Promise<Got>

/** Follows no redirect, waits three seconds, and reads no more than 256 KiB. */
export const getOverHttp: Get = async (url, headers = {}) => {
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
    if (length > LONGEST) throw new Error(`the answer is longer than ${LONGEST} bytes`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString()
}

/** The same, but asks another server. It hears in `x-forwarded-host` whom it stands for, since `fetch` sends no `host` of our choice. */
export function getAt(endpoint: string): Get {
  return ({ host, pathname, search }, headers) =>
    getOverHttp(new URL(pathname + search, endpoint), { ...headers, 'x-forwarded-host': host })
}
