import type { HandledRequest } from './app.ts'

/**
 * The access log record of one request. It contains no secrets: no query, and no header except User-Agent. Unknown
 * fields are `undefined`, which JSON leaves out.
 */
export interface AccessRecord {
  /** When the request came in, ISO 8601. */
  readonly time: string
  readonly level: 'info'
  readonly requestId: string
  /** Absent when the request was too malformed to parse. */
  readonly method?: string | undefined
  /** The path template, without the values of its parameters. */
  readonly route?: string | undefined
  readonly action?: string | undefined
  readonly repository?: string | undefined
  /** The HTTP status. 499: the client closed the connection before the response. */
  readonly status: number
  /** The code of the error document, when one was sent. */
  readonly code?: string | undefined
  /** Size of the request body, in bytes, as transferred. */
  readonly bytesIn: number
  /** Size of the response body, in bytes, as transferred. */
  readonly bytesOut: number
  readonly durationMs: number
  /** The User-Agent header. */
  readonly agent?: string | undefined
  /** The client's address. */
  readonly remote?: string | undefined
}

/** The part of an access log record that an adapter knows. The app knows the rest. */
export interface RequestInfo {
  readonly requestId: string
  /** Milliseconds since 1970. */
  readonly startedAt: number
  readonly durationMs: number
  readonly status: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly method?: string | undefined
  readonly agent?: string | undefined
  readonly remote?: string | undefined
}

/** The log record of a fault: an error of the registry, not of the client. */
export interface FaultRecord {
  readonly time: string
  readonly level: 'error'
  /** Absent when the fault did not occur in a request. */
  readonly requestId?: string
  readonly message: string
  readonly stack?: string
}

const MAX_AGENT_LENGTH = 256

/** Builds the access log record from the parts that the adapter and the app know. */
export function accessRecord(info: RequestInfo, exchange: HandledRequest): AccessRecord {
  const { method, agent, remote } = info
  const { route, action, repository, code } = exchange
  return {
    time: new Date(info.startedAt).toISOString(),
    level: 'info',
    requestId: info.requestId,
    method,
    route,
    action,
    repository,
    status: info.status,
    code,
    bytesIn: info.bytesIn,
    bytesOut: info.bytesOut,
    durationMs: Math.round(info.durationMs * 10) / 10,
    agent: agent && printable(agent.slice(0, MAX_AGENT_LENGTH)),
    remote,
  }
}

/** Describes an error and its causes. @param time milliseconds since 1970 */
export function faultRecord(time: number, error: unknown, requestId?: string): FaultRecord {
  const stack = error instanceof Error ? stackOf(error) : undefined
  return {
    time: new Date(time).toISOString(),
    level: 'error',
    ...(requestId && { requestId }),
    message: error instanceof Error ? error.message : String(error),
    ...(stack && { stack }),
  }
}

function stackOf(error: Error): string {
  const own = error.stack ?? String(error)
  return error.cause instanceof Error ? `${own}\ncaused by ${stackOf(error.cause)}` : own
}

/** Escapes control characters. Otherwise a client could add a line to the log or control a terminal that shows it. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this replaces
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, character => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}
