import { styleText } from 'node:util'
import type { AccessRecord, FaultRecord } from '../lambda/http/access-log.ts'

/** A message about the server itself, for its operator. Clients cannot cause more than a few of them. */
export interface Notice {
  readonly time: string
  readonly level: 'notice' | 'warning'
  readonly message: string
}

export type LogRecord = AccessRecord | FaultRecord | Notice
type LogFormat = 'json' | 'text'

/**
 * How long lines are collected before they are written, in milliseconds. A write for each line makes a manifest read a
 * quarter slower.
 */
const FLUSH_DELAY_MS = 20

/** Writes records to a stream, one line each. Lines of a short time are written together. */
export class Log {
  readonly #stream: NodeJS.WritableStream
  readonly #format: (record: LogRecord) => string
  #lines: string[] = []

  constructor(stream: NodeJS.WritableStream, format: LogFormat) {
    this.#stream = stream
    this.#format = format === 'json' ? JSON.stringify : textLine
    // The server keeps serving when the log's reader has closed its pipe.
    stream.on('error', () => {})
  }

  write(record: LogRecord): void {
    if (this.#lines.length === 0) setTimeout(() => this.flush(), FLUSH_DELAY_MS).unref()
    this.#lines.push(this.#format(record))
  }

  /** Writes a message for the operator: one sentence without a secret. */
  notify(level: Notice['level'], message: string): void {
    this.write({ time: new Date().toISOString(), level, message })
  }

  /** Writes the collected lines. Call it before the process exits. */
  flush(): void {
    if (this.#lines.length === 0) return
    const text = `${this.#lines.join('\n')}\n`
    this.#lines = []
    this.#stream.write(text)
  }
}

/** Resolves the setting: `auto` is text on a terminal, otherwise JSON. */
export function chooseFormat(format: 'auto' | LogFormat, stream: { isTTY?: boolean }): LogFormat {
  return format === 'auto' ? (stream.isTTY ? 'text' : 'json') : format
}

/**
 * Returns a function that calls `report` at most once in `ms` milliseconds, however often it is called itself, so that
 * a client cannot fill the log.
 * @param report receives the number of calls since the last report, including this one
 */
export function atMostEvery(ms: number, report: (times: number) => void): () => void {
  let times = 0
  let next = 0
  return () => {
    times += 1
    if (Date.now() < next) return
    next = Date.now() + ms
    report(times)
    times = 0
  }
}

/**
 * Formats a record as one line of text: time, status, method, duration, size, route. Colours follow `NO_COLOR` and the
 * terminal.
 */
export function textLine(record: LogRecord): string {
  const time = styleText('dim', record.time.slice(11, 23), { stream: process.stderr })
  if (record.level === 'error') {
    const text = styleText('red', record.stack ?? record.message, { stream: process.stderr })
    return [time, text, record.requestId].filter(Boolean).join(' ')
  }
  if (record.level !== 'info')
    return `${time} ${styleText(record.level === 'warning' ? 'yellow' : 'cyan', record.message, { stream: process.stderr })}`
  const { status, method = '-', route = '-', repository, bytesIn, bytesOut, durationMs, code, agent } = record
  const what = repository ? route.replace('<name>', repository) : route
  return [
    time,
    styleText(colour(status), String(status), { stream: process.stderr }),
    method.padEnd(6),
    duration(durationMs).padStart(7),
    amount(bytesIn + bytesOut).padStart(9),
    what,
    ...(code ? [code] : []),
    ...(agent ? [styleText('dim', agent.split(' ', 1)[0] ?? '', { stream: process.stderr })] : []),
  ].join(' ')
}

function colour(status: number): 'red' | 'yellow' | 'green' {
  return status >= 500 ? 'red' : status >= 400 ? 'yellow' : 'green'
}

function duration(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`
}

function amount(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`
  const units = ['kB', 'MB', 'GB', 'TB']
  const power = Math.min(Math.floor(Math.log10(bytes) / 3), units.length)
  return `${(bytes / 1_000 ** power).toFixed(1)} ${units[power - 1]}`
}
