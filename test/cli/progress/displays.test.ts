import { describe, expect, it } from 'vitest'
import { JsonDisplay } from '../../../cli/progress/json-display.ts'
import { LineDisplay } from '../../../cli/progress/line-display.ts'
import { TerminalDisplay } from '../../../cli/progress/terminal-display.ts'
import { formatBytes, formatSeconds, shortDigest } from '../../../cli/progress/units.ts'
import { parseDigest } from '../../../lambda/protocol/digest.ts'

const blob = (letter: string, size = 2e6) => ({
  mediaType: '',
  digest: parseDigest(`sha256:${letter.repeat(64)}`),
  size,
})

/** A display, what it has written, and a clock that stands still unless it is set. */
function open<T>(create: (output: { write(text: string): void }, clock: () => number) => T) {
  const shown = { text: '', now: 0 }
  const display = create({ write: text => (shown.text += text) }, () => shown.now)
  return { display, shown }
}

/** What a terminal shows of the text: of the control sequences it knows those that the display uses. */
function screen(text: string): string[] {
  const lines = ['']
  let row = 0
  const visible = text.replaceAll('\u001b', '␛')
  for (const [, up, clear, newline, plain] of visible.matchAll(/␛\[(\d+)A|(␛\[J)|(\n)|([^␛\n]+)/g)) {
    if (up) row -= Number(up)
    else if (clear) lines.splice(row, lines.length, '')
    else if (newline) lines[++row] ??= ''
    else lines[row] = `${lines[row]}${plain}`.replace(/^.*\r/, '')
  }
  return lines.filter(line => line !== '')
}

describe('the display of a terminal', () => {
  const terminal = (columns = 100) => open((output, clock) => new TerminalDisplay(output, columns, clock))

  it('has a line with bar and rate for each blob under way', () => {
    const { display, shown } = terminal()
    display.moved(blob('a'), 0)
    display.moved(blob('b', 4e6), 0)
    shown.now = 1000
    display.moved(blob('a'), 1e6)
    expect(screen(shown.text)).toEqual([
      'aaaaaaaaaaaa   2.00 MB  [============            ]  50 %  1.00 MB/s',
      'bbbbbbbbbbbb   4.00 MB  [                        ]   0 %',
    ])
  })

  it('keeps a line for each blob that is done, above those under way', () => {
    const { display, shown } = terminal()
    display.moved(blob('a'), 0)
    display.moved(blob('b'), 0)
    display.finished(blob('c'), 'exists')
    display.finished(blob('d'), 'mounted')
    display.finished(blob('a'), 'copied')
    display.finished(blob('b'), 'copied')
    display.end()
    expect(screen(shown.text)).toEqual([
      'cccccccccccc   2.00 MB  already exists',
      'dddddddddddd   2.00 MB  mounted',
      'aaaaaaaaaaaa   2.00 MB  done',
      'bbbbbbbbbbbb   2.00 MB  done',
    ])
  })

  it('shows what comes before the first blob, and removes it', () => {
    const { display, shown } = terminal()
    display.prepared('reading standard input', 5e6)
    expect(screen(shown.text)).toEqual(['reading standard input  5.00 MB'])
    shown.now = 1000
    display.moved(blob('a'), 0)
    expect(screen(shown.text)).toEqual(['aaaaaaaaaaaa   2.00 MB  [                        ]   0 %'])
  })

  it('draws ten times in a second at most', () => {
    const { display, shown } = terminal()
    display.moved(blob('a'), 0)
    const { length } = shown.text
    for (shown.now = 1; shown.now < 100; shown.now++) display.moved(blob('a'), shown.now)
    expect(shown.text).toHaveLength(length)
  })

  it('breaks no line', () => {
    const { display, shown } = terminal(40)
    display.moved(blob('a'), 1)
    expect(screen(shown.text)[0]).toHaveLength(39)
  })
})

describe('the display of a log', () => {
  it('has a line for each blob that is done, and no control sequences', () => {
    const { display, shown } = open((output, clock) => new LineDisplay(output, clock))
    display.moved(blob('a'), 1)
    display.finished(blob('a'), 'copied')
    display.finished(blob('b'), 'exists')
    expect(shown.text).toBe('aaaaaaaaaaaa: done (2.00 MB)\nbbbbbbbbbbbb: already exists (2.00 MB)\n')
  })

  it('has a line every 30 seconds about what takes long', () => {
    const { display, shown } = open((output, clock) => new LineDisplay(output, clock))
    for (shown.now = 0; shown.now < 70_000; shown.now += 1000) display.moved(blob('a', 70_000), shown.now)
    expect(shown.text).toBe('aaaaaaaaaaaa: 30.0 kB of 70.0 kB\naaaaaaaaaaaa: 60.0 kB of 70.0 kB\n')
  })
})

describe('the display of --json', () => {
  it('is one event for each line, one in a second about the same blob', () => {
    const { display, shown } = open((output, clock) => new JsonDisplay(output, clock))
    const { digest } = blob('a')
    display.prepared('reading standard input', 10)
    display.moved(blob('a'), 0)
    display.moved(blob('a'), 10)
    shown.now = 1000
    display.moved(blob('a'), 20)
    display.finished(blob('a'), 'copied')
    expect(
      shown.text
        .split('\n')
        .slice(0, -1)
        .map(line => JSON.parse(line)),
    ).toEqual([
      { event: 'progress', step: 'reading standard input', bytes: 10 },
      { event: 'blob', digest, size: 2e6, state: 'copying', bytes: 0 },
      { event: 'blob', digest, size: 2e6, state: 'copying', bytes: 20 },
      { event: 'blob', digest, size: 2e6, state: 'copied' },
    ])
  })
})

describe('units', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.00 kB'],
    [41_345_678, '41.3 MB'],
    [812_000_000, '812 MB'],
    [999_600_000, '1.00 GB'],
    [3e12, '3.00 TB'],
  ])('of %i bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text)
  })

  it.each([
    [1234, '1.2 s'],
    [41_000, '41 s'],
    [125_000, '2 min 5 s'],
  ])('of %i milliseconds are %s', (milliseconds, text) => {
    expect(formatSeconds(milliseconds)).toBe(text)
  })

  it('of a digest are its first digits', () => {
    expect(shortDigest(`sha256:${'ab'.repeat(32)}`)).toBe('abababababab')
    expect(shortDigest(`sha512:${'ab'.repeat(64)}`)).toBe('sha512:abababababab')
  })
})
