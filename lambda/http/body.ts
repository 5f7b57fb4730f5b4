import { RegistryError } from '../protocol/errors.ts'
import type { HttpRequest, HttpResponse } from './message.ts'

/** How long the body is, in bytes, as far as the headers tell; `undefined` when the client streams without saying. */
export function bodyLength({ headers }: HttpRequest): number | undefined {
  if (headers['content-length'] !== undefined) return Number(headers['content-length'])
  return headers['transfer-encoding'] === undefined ? 0 : undefined
}

/**
 * Reads a whole body that is known to be small. @throws {RegistryError} CONTENT_TOO_LARGE above `limit` bytes, before
 * anything is read where the client says the length
 */
export async function readBody(request: HttpRequest, limit: number): Promise<Uint8Array> {
  const tooLarge = () =>
    new RegistryError('CONTENT_TOO_LARGE', {
      message: `the body is larger than ${limit} bytes`,
      detail: { limit },
    })
  if ((bodyLength(request) ?? 0) > limit) throw tooLarge()
  const pieces: Uint8Array[] = []
  let size = 0
  for await (const piece of request.body) {
    size += piece.length
    if (size > limit) throw tooLarge()
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

/**
 * Releases what stands behind a response's body: an open file, a connection. Every adapter calls it when it is done with a response,
 * however that ended, because the body of a client that left before the first byte is never iterated. May be repeated.
 */
export async function closeBody(body: HttpResponse['body']): Promise<void> {
  if (body && !(body instanceof Uint8Array)) await body[Symbol.asyncIterator]().return?.()
}
