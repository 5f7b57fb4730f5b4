import { styleText } from 'node:util'
import type { AccessRecord, FaultRecord } from '../lambda/http/access-log.ts'

/** What the operator should know of the server itself. No request of a client can make more than a few of them. */
export interface Notice {
  readonly time: string
  readonly level: 'notice' | 'warning'
  readonly message: string
}

export type LogRecord = AccessRecord | FaultRecord | Notice
type LogFormat = 'json' | 'text'

/** How long a line may wait for others, in milliseconds. A write for every line would cost a manifest read a quarter more. */
const WAIT = 20

/** Where records go. Lines are gathered for a moment and written together. */
export class Log {
  readonly #stream: NodeJS.WritableStream
  readonly #format: (record: LogRecord) => string
  #lines: string[] = []

  constructor(stream: NodeJS.WritableStream, format: LogFormat) {
    this.#stream = stream
    this.#format = format === 'json' ? JSON.stringify : textLine
    // A log that nobody reads any more (a closed pipe) is no reason to stop serving.
    stream.on('error', () => {})
  }

  write(record: LogRecord): void {
    if (this.#lines.length === 0) setTimeout(() => this.flush(), WAIT).unref()
    this.#lines.push(this.#format(record))
  }

  /** Tells the operator something, in one sentence without a secret. */
  tell(level: Notice['level'], message: string): void {
    this.write({ time: new Date().toISOString(), level, message })
  }

  /** Writes what is still held. To be called before the process exits. */
  flush(): void {
    if (this.#lines.length === 0) return
    const text = `${this.#lines.join('\n')}\n`
    this.#lines = []
    this.#stream.write(text)
  }
}

/** `auto` is text where a person is watching. */
export function chooseFormat(wish: 'auto' | LogFormat, stream: { isTTY?: boolean }): LogFormat {
  return wish === 'auto' ? (stream.isTTY ? 'text' : 'json') : wish
}

/**
 * Lets something be said once in so many milliseconds, however often it happens: a client that causes it must not fill the log.
 * @param say is told how often it has happened since it was last said, this time included
 */
export function atMostEvery(ms: number, say: (times: number) => void): () => void {
  let times = 0
  let next = 0
  return () => {
    times += 1
    if (Date.now() < next) return
    next = Date.now() + ms
    say(times)
    times = 0
  }
}

/** One request in one line for people: when, how it went, what it was. Colours follow `NO_COLOR` and the terminal. */
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
