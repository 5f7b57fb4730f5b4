import type { BlobDescriptor } from '../../lambda/client/content.ts'
import type { Outcome } from '../../lambda/client/progress.ts'
import type { Output } from '../io.ts'
import { type Clock, type Display, OUTCOMES } from './display.ts'
import { formatBytes, shortDigest } from './units.ts'

/** Between two drawings, in milliseconds. */
const INTERVAL = 100
const BAR = 24
/** Over which the rate of a blob is measured, in milliseconds. */
const WINDOW = 3_000

interface Line {
  readonly label: string
  readonly total: number | undefined
  bytes: number
  /** Earlier places, to measure the rate. */
  readonly samples: { readonly time: number; readonly bytes: number }[]
}

/** One line for each blob. A finished line stays. A line in progress has a bar and a rate, and is drawn again. */
export class TerminalDisplay implements Display {
  readonly #output: Output
  readonly #columns: number
  readonly #clock: Clock
  readonly #lines = new Map<string, Line>()
  #drawnLines = 0
  #drawnAt = Number.NEGATIVE_INFINITY

  constructor(output: Output, columns: number, clock: Clock) {
    this.#output = output
    this.#columns = columns
    this.#clock = clock
  }

  prepared(step: string, bytes: number, total?: number): void {
    this.#advance(step, { label: step, bytes, total })
    if (bytes === total) this.#lines.delete(step)
  }

  moved({ digest, size }: BlobDescriptor, bytes: number): void {
    this.#lines.forEach(({ total }, step) => {
      if (total === undefined) this.#lines.delete(step)
    })
    this.#advance(digest, { label: shortDigest(digest), bytes, total: size })
  }

  finished({ digest, size }: BlobDescriptor, outcome: Outcome): void {
    this.#lines.delete(digest)
    this.#draw(`${shortDigest(digest)}  ${formatBytes(size).padStart(8)}  ${OUTCOMES[outcome]}`)
  }

  end(): void {
    this.#lines.clear()
    this.#draw()
  }

  #advance(key: string, { label, bytes, total }: Pick<Line, 'label' | 'bytes' | 'total'>): void {
    const line = this.#lines.get(key) ?? { label, total, bytes, samples: [] }
    this.#lines.set(key, line)
    if (bytes < line.bytes) line.samples.length = 0
    line.bytes = bytes
    const now = this.#clock()
    if (now - this.#drawnAt < INTERVAL) return
    line.samples.push({ time: now, bytes })
    while (now - (line.samples[0]?.time ?? now) > WINDOW) line.samples.shift()
    this.#draw()
  }

  /** @param done a finished line, printed above the lines in progress */
  #draw(done?: string): void {
    this.#drawnAt = this.#clock()
    const up = this.#drawnLines > 0 ? `\u001b[${this.#drawnLines}A` : ''
    const lines = [...this.#lines.values()].map(line => this.#format(line))
    this.#drawnLines = lines.length
    const all = done === undefined ? lines : [done, ...lines]
    const text = all.map(line => `${line.slice(0, this.#columns - 1)}\n`).join('')
    if (up || text) this.#output.write(`${up}\r\u001b[J${text}`)
  }

  #format({ label, total, bytes, samples }: Line): string {
    const [first] = samples
    const seconds = first ? (this.#clock() - first.time) / 1000 : 0
    const rate = first && seconds > 0.2 ? `${formatBytes((bytes - first.bytes) / seconds)}/s` : ''
    if (total === undefined) return `${label}  ${formatBytes(bytes)}  ${rate}`.trimEnd()
    const done = total > 0 ? Math.min(1, bytes / total) : 1
    const bar = '='.repeat(Math.round(done * BAR)).padEnd(BAR)
    return `${label}  ${formatBytes(total).padStart(8)}  [${bar}] ${`${Math.floor(done * 100)}`.padStart(3)} %  ${rate}`.trimEnd()
  }
}
