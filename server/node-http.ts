import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Duplex } from 'node:stream'
import { faultRecord } from '../lambda/http/access-log.ts'
import { type App, refuse } from '../lambda/http/app.ts'
import { isOutOfDescriptors } from '../lambda/http/file-descriptors.ts'
import { RegistryError } from '../lambda/protocol/errors.ts'
import { Connections } from './connections.ts'
import { HttpExchange, type HttpExchangeOptions } from './exchange.ts'
import { atMostEvery, type Log } from './log.ts'
import { type DrainLimits, directView } from './node-request.ts'
import { isPlainHttp, LINGER_MS, PLAIN_HTTP, protocolError, refuseConnection } from './protocol-errors.ts'
import { STALL_LIMITS, StallGuard, type StallLimits } from './stall-guard.ts'
import type { Certificate } from './tls.ts'

export interface ServerLimits {
  readonly stall: StallLimits
  readonly drain: DrainLimits
  /** Time for the headers of a request to arrive, and for a TLS handshake. Milliseconds. */
  readonly headers: number
  /** Connections to serve at the same time. Absent: as many as the process has file descriptors for. */
  readonly connections?: number
}

const DEFAULT_LIMITS: ServerLimits = {
  stall: STALL_LIMITS,
  drain: { bytes: 1024 * 1024, ms: 2_000 },
  headers: 30_000,
}

/**
 * How long an idle connection is kept, in milliseconds. Load balancers and clients keep it for a shorter time (a minute; the relay's
 * load balancer two), so that they close it first. If the server closed it first, a request could arrive on a closed connection, and
 * a load balancer would answer 502.
 */
export const KEEP_ALIVE_MS = 125_000
/** In bytes. Tokens that name many repositories are larger than Node's default of 16 KiB. */
const MAX_HEADERS_SIZE = 32 * 1024

/** Clients cause some warnings. The log repeats each of them at this interval at most, in milliseconds. */
const NOTICE_INTERVAL_MS = 60_000

interface HttpServerOptions {
  readonly app: App
  readonly log: Log
  /** With a certificate the server accepts https only. */
  readonly tls?: Certificate | undefined
  readonly limits?: Partial<ServerLimits>
  /** Returns who sent a request. By default the peer of the connection; headers of proxies are ignored. */
  readonly client?: HttpExchangeOptions['client']
}

/** An app behind a `node:http` server. */
export interface HttpServer {
  readonly server: Server
  /** Closes the connections on which no request is in progress. */
  closeIdle(): void
  /** Closes all connections. */
  closeAll(): void
  /** Resolves when no request is being served. */
  settled(): Promise<void>
}

/** Puts an app behind a `node:http` server. The caller makes it listen. */
export function createHttpServer({
  app,
  log,
  tls,
  limits,
  client = directView,
}: HttpServerOptions): HttpServer {
  const { stall, drain, headers, connections: limit } = { ...DEFAULT_LIMITS, ...limits }
  const server = createNodeServer(headers, tls)
  const guard = new StallGuard(stall)
  server.on('close', () => guard.close())

  const options: HttpExchangeOptions = { log, guard, drain, client, stopping: () => !server.listening }
  const warn = warnings(log)
  const connections = new Connections(server, { isTls: tls !== undefined, limit, onRefused: warn.overLimit })
  /** The latest exchange of each connection. */
  const latest = new WeakMap<Duplex, HttpExchange>()
  const running = new Set<Promise<void>>()
  const serve =
    (app: App, expectsContinue: boolean) => (incoming: IncomingMessage, outgoing: ServerResponse) => {
      const exchange = new HttpExchange(incoming, outgoing, options, expectsContinue)
      const isAdmitted = connections.admit(incoming.socket)
      const run = exchange
        .run(isAdmitted ? app : refuseOverload, latest.get(incoming.socket))
        .finally(() => running.delete(run))
      running.add(run)
      latest.set(incoming.socket, exchange)
    }

  server.on('request', serve(app, false))
  server.on('checkContinue', serve(app, true))
  server.on(
    'checkExpectation',
    serve(() => Promise.reject(new RegistryError('EXPECTATION_FAILED')), false),
  )
  server.on('connect', (incoming: IncomingMessage, socket: Duplex) =>
    refuseConnection(socket, new RegistryError('UNSUPPORTED'), log, incoming.method),
  )
  server.on('clientError', (error, socket) => {
    if (isPlainHttp(error)) {
      warn.plainHttp()
      // TLS has begun on the connection: only the TCP socket below can still send a response that this client can read.
      const tcp = connections.below(socket)
      if (tcp) refuseConnection(tcp, new RegistryError('BAD_REQUEST', PLAIN_HTTP), log)
      setTimeout(() => socket.destroy(), 2 * LINGER_MS).unref()
      return
    }
    const refusal = protocolError(error)
    const exchange = latest.get(socket)
    if (!refusal) socket.destroy()
    else if (exchange && !exchange.over) exchange.refuse(refusal)
    else refuseConnection(socket, refusal, log)
  })
  // Node emits a failed accept here, and an error without a listener would end the process. Errors of listen() belong to the caller.
  server.once('listening', () =>
    server.on('error', error => {
      if (isOutOfDescriptors(error)) warn.notAccepted()
      else log.write(faultRecord(Date.now(), error))
    }),
  )

  return {
    server,
    closeIdle: () => connections.closeIdle(),
    closeAll: () => connections.closeAll(),
    async settled() {
      await Promise.all(running)
    },
  }
}

const refuseOverload: App = async ({ method }) =>
  refuse(
    new RegistryError('UNAVAILABLE', {
      message: 'too many connections: try again',
      headers: { connection: 'close' },
    }),
    method,
  )

/** Warnings about what clients do, each at most once a minute. */
function warnings(log: Log) {
  const warning = (text: string) =>
    atMostEvery(NOTICE_INTERVAL_MS, times =>
      log.notify('warning', text.replace('<times>', `${times} since the last such line`)),
    )
  return {
    plainHttp: warning(
      'a client sent plain HTTP to the TLS port (<times>); its address must begin with https://',
    ),
    overLimit: warning(
      'connections were refused (<times>), because there are too few file descriptors for more; raise the limit (ulimit -n)',
    ),
    notAccepted: warning('connections could not be accepted: too many open files (<times>)'),
  }
}

function createNodeServer(headersTimeout: number, tls: Certificate | undefined): Server {
  const options: ServerOptions = {
    headersTimeout,
    // A layer of 5 GB over a slow line takes hours. The stall guard ends requests whose bytes do not move.
    requestTimeout: 0,
    connectionsCheckingInterval: Math.min(5_000, headersTimeout),
    keepAliveTimeout: KEEP_ALIVE_MS,
    maxHeaderSize: MAX_HEADERS_SIZE,
    // Node would answer without an error document.
    requireHostHeader: false,
    // TCP keep-alive finds out that an idle peer has lost its power.
    keepAlive: true,
    keepAliveInitialDelay: 60_000,
  }
  return tls
    ? createTlsServer({ ...options, ...tls, minVersion: 'TLSv1.2', handshakeTimeout: headersTimeout })
    : createServer(options)
}
