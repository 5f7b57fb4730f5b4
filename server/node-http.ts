import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { faultRecord } from '../lambda/http/access-log.ts'
import type { App } from '../lambda/http/app.ts'
import { isOutOfDescriptors } from '../lambda/http/file-descriptors.ts'
import { RegistryError } from '../lambda/protocol/errors.ts'
import { HttpExchange, type HttpExchangeOptions } from './exchange.ts'
import { atMostEvery, type Log } from './log.ts'
import { type DrainLimits, directView } from './node-request.ts'
import { isPlainHttp, LINGER, PLAIN_HTTP, protocolError, refuseConnection } from './protocol-errors.ts'
import { STALL_LIMITS, StallGuard, type StallLimits } from './stall-guard.ts'
import type { Certificate } from './tls.ts'

export interface ServerLimits {
  readonly stall: StallLimits
  readonly drain: DrainLimits
  /** For the headers of a request to arrive, and for a TLS handshake. Milliseconds. */
  readonly headers: number
}

const BOUNDS: ServerLimits = {
  stall: STALL_LIMITS,
  drain: { bytes: 64 * 1024 * 1024, ms: 2_000 },
  headers: 30_000,
}

/**
 * How long an idle connection is kept, in milliseconds. Longer than load balancers and clients keep it (a minute, the relay's two), so that they end it
 * first: who sends a request on one that we are ending has no answer, and a load balancer makes a 502 of that.
 */
export const KEEP_ALIVE_MS = 125_000
/** Tokens that name many repositories pass Node's 16 KiB. */
const LARGEST_HEADERS = 32 * 1024

/** How often the log repeats what clients cause, in milliseconds. */
const NOTICE_INTERVAL = 60_000

interface DoorParts {
  readonly app: App
  readonly log: Log
  /** With it the server speaks https alone. */
  readonly tls?: Certificate | undefined
  readonly bounds?: Partial<ServerLimits>
  /** How a request tells who sent it. Absent: the connection tells, and nothing else is looked at. */
  readonly client?: HttpExchangeOptions['client']
}

/** The app behind a socket. */
export interface HttpServer {
  readonly server: Server
  /** Closes the connections on which nothing is under way. */
  closeIdle(): void
  /** Closes all connections, whatever is under way. */
  closeAll(): void
  /** Resolves when no request is being served. */
  settled(): Promise<void>
}

/** Puts an app on a `node:http` server, which the caller then tells where to listen. */
export function createHttpServer({ app, log, tls, bounds, client = directView }: DoorParts): HttpServer {
  const { stall, drain, headers } = { ...BOUNDS, ...bounds }
  const server = createNodeServer(headers, tls)
  const guard = new StallGuard(stall)
  server.on('close', () => guard.close())

  const parts: HttpExchangeOptions = { log, guard, drain, client, stopping: () => !server.listening }
  const latest = new WeakMap<Duplex, HttpExchange>()
  const connections = new Set<Duplex>()
  const silent = new Set<Duplex>()
  const running = new Set<Promise<void>>()
  const serve =
    (app: App, expectsContinue: boolean) => (incoming: IncomingMessage, outgoing: ServerResponse) => {
      const turn = new HttpExchange(incoming, outgoing, parts, expectsContinue)
      const run = turn.run(app, latest.get(incoming.socket)).finally(() => running.delete(run))
      running.add(run)
      latest.set(incoming.socket, turn)
      silent.delete(incoming.socket)
    }

  const keep = (sockets: Set<Duplex>) => (socket: Duplex) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  }
  server.on('connection', keep(connections))
  server.on(tls ? 'secureConnection' : 'connection', keep(silent))
  server.on('request', serve(app, false))
  server.on('checkContinue', serve(app, true))
  server.on(
    'checkExpectation',
    serve(() => Promise.reject(new RegistryError('EXPECTATION_FAILED')), false),
  )
  server.on('connect', (incoming: IncomingMessage, socket: Duplex) =>
    refuseConnection(socket, new RegistryError('UNSUPPORTED'), log, incoming.method),
  )
  const plainHttp = atMostEvery(NOTICE_INTERVAL, times =>
    log.tell(
      'warning',
      `a client sent plain HTTP to the TLS port (${times} since the last such line); its address must begin with https://`,
    ),
  )
  server.on('clientError', (error, socket) => {
    if (isPlainHttp(error)) {
      plainHttp()
      // TLS has begun on the connection: only the socket below it can still carry an answer that this client reads.
      const below = [...connections].find(one => isSamePeer(one, socket))
      if (below) refuseConnection(below, new RegistryError('BAD_REQUEST', PLAIN_HTTP), log)
      setTimeout(() => socket.destroy(), 2 * LINGER).unref()
      return
    }
    const refusal = protocolError(error)
    const turn = latest.get(socket)
    if (!refusal) socket.destroy()
    else if (turn && !turn.over) turn.refuse(refusal)
    else refuseConnection(socket, refusal, log)
  })

  const notAccepted = atMostEvery(NOTICE_INTERVAL, times =>
    log.tell(
      'warning',
      `connections could not be accepted: too many open files (${times} since the last such line)`,
    ),
  )
  // Node reports a failed accept here, and an error without a listener would end the process. Failing to listen is not ours.
  server.once('listening', () =>
    server.on('error', error => {
      if (isOutOfDescriptors(error)) notAccepted()
      else log.write(faultRecord(Date.now(), error))
    }),
  )

  return {
    server,
    closeIdle() {
      server.closeIdleConnections()
      // To Node a connection is busy until its first request is over, also when that never began.
      for (const socket of silent) socket.destroy()
    },
    closeAll() {
      // Node's own closeAllConnections() knows nothing of those that are still shaking hands.
      for (const socket of connections) socket.destroy()
    },
    async settled() {
      await Promise.all(running)
    },
  }
}

/** Whether one of the sockets is the TCP connection and the other the TLS session on it. */
function isSamePeer(one: Duplex, other: Duplex): boolean {
  if (!(one instanceof Socket && other instanceof Socket)) return false
  return one.remotePort === other.remotePort && one.remoteAddress === other.remoteAddress
}

function createNodeServer(headersTimeout: number, tls: Certificate | undefined): Server {
  const options: ServerOptions = {
    headersTimeout,
    // A 5 GB layer over a slow line takes hours. The stall guard looks after those that only seem to send.
    requestTimeout: 0,
    connectionsCheckingInterval: Math.min(5_000, headersTimeout),
    keepAliveTimeout: KEEP_ALIVE_MS,
    maxHeaderSize: LARGEST_HEADERS,
    // Node would answer without an error document.
    requireHostHeader: false,
    // Lets the system find out that an idle peer has lost its power.
    keepAlive: true,
    keepAliveInitialDelay: 60_000,
  }
  return tls
    ? createTlsServer({ ...options, ...tls, minVersion: 'TLSv1.2', handshakeTimeout: headersTimeout })
    : createServer(options)
}
