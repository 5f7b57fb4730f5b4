import type { Server } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connectionLimit, descriptorLimit } from './connection-limit.ts'

/** How many connections beyond the limit get a 503 response. Others are closed at once. */
const MAX_REFUSED = 32
/** How long such a connection may take for its TLS handshake and its request, in milliseconds. */
const REFUSAL_MS = 5_000

interface ConnectionsOptions {
  readonly isTls: boolean
  /** Connections to serve at the same time. Absent: as many as the process has file descriptors for. */
  readonly limit?: number | undefined
  /** Called for each connection beyond the limit. */
  readonly onRefused: () => void
}

/** The open connections of a server. */
export class Connections {
  readonly #server: Server
  /** TCP sockets. On a TLS port, requests and `#silent` contain the TLS socket above them instead. */
  readonly #open = new Set<Duplex>()
  /** Connections that have sent no request yet. */
  readonly #silent = new Set<Duplex>()
  /** Peers of the connections beyond the limit. */
  readonly #refused = new Set<string>()
  readonly #limit: number
  readonly #onRefused: () => void

  constructor(server: Server, { isTls, limit, onRefused }: ConnectionsOptions) {
    this.#server = server
    this.#limit = limit ?? connectionLimit(descriptorLimit())
    this.#onRefused = onRefused
    server.on('connection', (socket: Socket) => this.#accept(socket))
    server.on(isTls ? 'secureConnection' : 'connection', (socket: Duplex) => keep(this.#silent, socket))
  }

  /** Notes that a connection has sent a request. @returns whether the request may be served */
  admit(socket: Duplex): boolean {
    this.#silent.delete(socket)
    return this.#refused.size === 0 || !this.#refused.has(peerOf(socket))
  }

  /** The TCP connection below a TLS socket. */
  below(socket: Duplex): Duplex | undefined {
    return [...this.#open].find(one => peerOf(one) === peerOf(socket))
  }

  /** Closes the connections on which no request is in progress. */
  closeIdle(): void {
    this.#server.closeIdleConnections()
    // For Node a connection without a request is not idle: it waits for its first request.
    for (const socket of this.#silent) socket.destroy()
  }

  /**
   * Closes all connections. Node's own closeAllConnections() leaves those open that are still in their TLS handshake.
   */
  closeAll(): void {
    for (const socket of this.#open) socket.destroy()
  }

  #accept(socket: Socket): void {
    keep(this.#open, socket)
    if (this.#open.size - this.#refused.size <= this.#limit) return
    this.#onRefused()
    if (this.#refused.size >= MAX_REFUSED) {
      socket.destroy()
      return
    }
    const peer = peerOf(socket)
    this.#refused.add(peer)
    const timer = setTimeout(() => socket.destroy(), REFUSAL_MS)
    socket.once('close', () => {
      clearTimeout(timer)
      this.#refused.delete(peer)
    })
  }
}

function keep(sockets: Set<Duplex>, socket: Duplex): void {
  sockets.add(socket)
  socket.once('close', () => sockets.delete(socket))
}

/** Identifies a connection: the result is the same for a TLS socket and the TCP connection below it. */
function peerOf(socket: Duplex): string {
  return socket instanceof Socket ? `${socket.remoteAddress} ${socket.remotePort}` : ''
}
