import { Writable } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import { describe, expect, it, vi } from 'vitest'
import { type AccessRecord, faultRecord } from '../../lambda/http/access-log.ts'
import { atMostEvery, chooseFormat, Log, textLine } from '../../server/log.ts'
import { until } from './support.ts'

const record: AccessRecord = {
  time: '2026-11-20T10:11:12.345Z',
  level: 'info',
  requestId: 'r',
  method: 'GET',
  route: '/v2/<name>/blobs/<digest>',
  repository: 'team/app' as NonNullable<AccessRecord['repository']>,
  status: 200,
  bytesIn: 0,
  bytesOut: 12_345_678,
  durationMs: 1_234.5,
  agent: 'docker/29 go/1.26',
}

function sink(): { stream: Writable; chunks: string[] } {
  const chunks: string[] = []
  const stream = new Writable({
    write(chunk, _, done) {
      chunks.push(String(chunk))
      done()
    },
  })
  return { stream, chunks }
}

describe('the log', () => {
  it('has one JSON document in each line', () => {
    const { stream, chunks } = sink()
    const log = new Log(stream, 'json')
    log.write(record)
    log.flush()
    expect(chunks.join('').endsWith('}\n')).toBe(true)
    expect(JSON.parse(chunks.join(''))).toEqual(record)
  })

  it('writes records of a short time together, without a flush', async () => {
    const { stream, chunks } = sink()
    const log = new Log(stream, 'json')
    log.write(record)
    log.write(record)
    expect(chunks).toHaveLength(0)
    await until(() => chunks.length > 0)
    expect(chunks).toHaveLength(1)
    expect(chunks[0]?.split('\n')).toHaveLength(3)
  })

  it('ignores that its stream is closed', () => {
    const { stream } = sink()
    const log = new Log(stream, 'json')
    stream.destroy(new Error('EPIPE'))
    log.write(record)
    expect(() => log.flush()).not.toThrow()
  })

  it('is text on a terminal', () => {
    expect(chooseFormat('auto', { isTTY: true })).toBe('text')
    expect(chooseFormat('auto', {})).toBe('json')
    expect(chooseFormat('json', { isTTY: true })).toBe('json')
  })
})

describe('a notice', () => {
  it('is a document with its level and message', () => {
    const { stream, chunks } = sink()
    const log = new Log(stream, 'json')
    log.notify('warning', 'look here')
    log.flush()
    expect(JSON.parse(chunks.join(''))).toEqual({
      time: expect.any(String),
      level: 'warning',
      message: 'look here',
    })
  })

  it('is a line with its time and message in the text format', () => {
    const notice = { time: record.time, level: 'notice', message: 'look here' } as const
    expect(stripVTControlCharacters(textLine(notice))).toBe('10:11:12.345 look here')
  })

  it('that clients cause is written once in an interval, with the number of times', () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    const reported: number[] = []
    const happen = atMostEvery(1_000, times => reported.push(times))
    for (let times = 0; times < 5; times++) happen()
    expect(reported).toEqual([1])
    vi.setSystemTime(Date.now() + 1_000)
    happen()
    expect(reported).toEqual([1, 5])
    vi.useRealTimers()
  })
})

describe('a record in the text format', () => {
  it('shows a request', () => {
    expect(stripVTControlCharacters(textLine(record))).toBe(
      '10:11:12.345 200 GET      1.2 s   12.3 MB /v2/team/app/blobs/<digest> docker/29',
    )
  })

  it('shows a request without method and route', () => {
    const { time, level, requestId, bytesIn } = record
    const bare = {
      time,
      level,
      requestId,
      status: 400,
      code: 'BAD_REQUEST',
      bytesIn,
      bytesOut: 99,
      durationMs: 0,
    }
    expect(stripVTControlCharacters(textLine(bare))).toBe(
      '10:11:12.345 400 -         0 ms      99 B - BAD_REQUEST',
    )
  })

  it('shows a fault with its stack and its request', () => {
    const text = stripVTControlCharacters(textLine(faultRecord(0, new Error('why'), 'id')))
    expect(text).toMatch(/^00:00:00.000 Error: why\n +at [\s\S]* id$/)
  })
})
