import { RegistryError } from '../protocol/errors.ts'
import type { HttpRequest, HttpResponse } from './message.ts'

/** Length of the body in bytes, from the headers. `undefined` when the client streams without a Content-Length. */
export function bodyLength({ headers }: HttpRequest): number | undefined {
  if (headers['content-length'] !== undefined) return Number(headers['content-length'])
  return headers['transfer-encoding'] === undefined ? 0 : undefined
}

/**
 * Reads a small body into memory.
 * @throws {RegistryError} CONTENT_TOO_LARGE above `limit` bytes: before reading when the Content-Length exceeds the
 * limit, otherwise as soon as the body does
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
 * Releases the file or connection behind a response's body. Every adapter calls it after every response, because a body
 * is never iterated when the client closes the connection before the first byte. Calling it again has no effect.
 */
export async function closeBody(body: HttpResponse['body']): Promise<void> {
  if (body && !(body instanceof Uint8Array)) await body[Symbol.asyncIterator]().return?.()
}
