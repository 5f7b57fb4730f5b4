import type { HandledRequest } from './app.ts'

/**
 * What the log says of one request. Nothing here is a secret: no query, no header but the agent. What is not known is
 * `undefined`, which JSON leaves out.
 */
export interface AccessRecord {
  /** When the request came in, ISO 8601. */
  readonly time: string
  readonly level: 'info'
  readonly requestId: string
  /** Absent when the request was too malformed to tell. */
  readonly method?: string | undefined
  /** The path template: what was asked for, without the names of things. */
  readonly route?: string | undefined
  readonly action?: string | undefined
  readonly repository?: string | undefined
  /** As sent. 499: the client went away first. */
  readonly status: number
  /** The code of the error document, when one was sent. */
  readonly code?: string | undefined
  /** Bytes of the bodies, as they travelled. */
  readonly bytesIn: number
  readonly bytesOut: number
  readonly durationMs: number
  readonly agent?: string | undefined
  readonly remote?: string | undefined
}

/** What a door knows of a request besides what the app made of it. */
export interface RequestInfo {
  readonly requestId: string
  /** Milliseconds of the epoch. */
  readonly startedAt: number
  readonly durationMs: number
  readonly status: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly method?: string | undefined
  readonly agent?: string | undefined
  readonly remote?: string | undefined
}

/** What went wrong on our side, for the log alone. */
export interface FaultRecord {
  readonly time: string
  readonly level: 'error'
  /** Absent when no request was the occasion. */
  readonly requestId?: string
  readonly message: string
  readonly stack?: string
}

const LONGEST_AGENT = 256

/** Joins what the door and the app know of a request. */
export function accessRecord(visit: RequestInfo, exchange: HandledRequest): AccessRecord {
  const { method, agent, remote } = visit
  const { route, action, repository, code } = exchange
  return {
    time: new Date(visit.startedAt).toISOString(),
    level: 'info',
    requestId: visit.requestId,
    method,
    route,
    action,
    repository,
    status: visit.status,
    code,
    bytesIn: visit.bytesIn,
    bytesOut: visit.bytesOut,
    durationMs: Math.round(visit.durationMs * 10) / 10,
    agent: agent && printable(agent.slice(0, LONGEST_AGENT)),
    remote,
  }
}

/** Describes an error with its causes. */
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

/** A client must not be able to move the cursor of whoever reads the log, or to write a line of its own. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, character => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}
