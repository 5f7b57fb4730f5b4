import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { accessRecord } from '../lambda/http/access-log.ts'
import { errorResponse } from '../lambda/http/app.ts'
import { type ErrorCode, RegistryError } from '../lambda/protocol/errors.ts'
import type { Log } from './log.ts'

/** What Node's parser and its timers call the things that only they see. Whatever else it is, it is malformed. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'HEADERS_TOO_LARGE',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'CONTENT_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'REQUEST_TIMEOUT',
}

/** How long the client has to read what we say before the connection is torn down. */
export const LINGER_MS = 250

/** What a client that speaks plain HTTP to a TLS port is told. */
export const PLAIN_HTTP = { message: 'this port speaks TLS: the address must begin with https://' }

/** Whether a client on a TLS port has sent a plain HTTP request. */
export function isPlainHttp(error: NodeJS.ErrnoException): boolean {
  return error.code === 'ERR_SSL_HTTP_REQUEST'
}

/** What a `clientError` means, `undefined` when the connection broke and nobody is left to tell. */
export function protocolError(error: Error): RegistryError | undefined {
  const code = (error as NodeJS.ErrnoException).code ?? ''
  if (code === 'HPE_INVALID_EOF_STATE') return undefined
  if (!code.startsWith('HPE_') && !(code in CODES)) return undefined
  return new RegistryError(CODES[code] ?? 'BAD_REQUEST', { cause: error })
}

/** Answers on a bare connection, where Node has made no response object, and ends it. */
export function refuseConnection(socket: Duplex, error: RegistryError, log: Log, method?: string): void {
  if (!socket.writable) return
  const requestId = randomUUID()
  const { status, headers, body } = errorResponse(error, 'GET')
  const lines = Object.entries({ ...headers, connection: 'close', 'x-request-id': requestId })
  socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n`)
  socket.write(`${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`)
  socket.end(body)
  socket.on('error', () => {})
  setTimeout(() => socket.destroy(), LINGER_MS)
  const bytesOut = body instanceof Uint8Array ? body.length : 0
  const remote = socket instanceof Socket ? socket.remoteAddress : undefined
  log.write(
    accessRecord(
      { requestId, startedAt: Date.now(), durationMs: 0, status, bytesIn: 0, bytesOut, method, remote },
      { code: error.code },
    ),
  )
}
