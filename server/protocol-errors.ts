import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { accessRecord } from '../lambda/http/access-log.ts'
import { errorResponse } from '../lambda/http/app.ts'
import { type ErrorCode, RegistryError } from '../lambda/protocol/errors.ts'
import type { Log } from './log.ts'

/** Error codes of Node's HTTP parser and its timers. All other codes of the parser mean a malformed request. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'HEADERS_TOO_LARGE',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'CONTENT_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'REQUEST_TIMEOUT',
}

/** How long the client has to read an error document before the connection is destroyed, in milliseconds. */
export const LINGER_MS = 250

/** The error for a client that sends plain HTTP to a TLS port. */
export const PLAIN_HTTP = { message: 'this port requires TLS: the address must begin with https://' }

/** Whether a client on a TLS port has sent a plain HTTP request. */
export function isPlainHttp(error: NodeJS.ErrnoException): boolean {
  return error.code === 'ERR_SSL_HTTP_REQUEST'
}

/** Converts a `clientError` of `node:http`. `undefined` when the connection is broken and cannot carry a response. */
export function protocolError(error: Error): RegistryError | undefined {
  const code = (error as NodeJS.ErrnoException).code ?? ''
  if (code === 'HPE_INVALID_EOF_STATE') return undefined
  if (!code.startsWith('HPE_') && !(code in CODES)) return undefined
  return new RegistryError(CODES[code] ?? 'BAD_REQUEST', { cause: error })
}

/** Writes an error document to a connection for which Node has made no response object, and closes it. */
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
