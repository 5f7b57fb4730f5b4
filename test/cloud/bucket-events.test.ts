import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BucketEvents } from './emulator/bucket-events.ts'

/** As versitygw tells of an object. */
const told = (key: string, eventName = 's3:ObjectCreated:Put') => ({
  Records: [{ eventVersion: '2.2', eventSource: 'aws:s3', eventName, s3: { object: { key, size: 3 } } }],
})

describe("the stand-in for a bucket's notification", () => {
  let events: BucketEvents
  let delivered: unknown[]
  let failures: number
  beforeEach(async () => {
    delivered = []
    failures = 0
    events = await BucketEvents.start()
    events.deliverTo(async event => {
      delivered.push(event)
      if (delivered.length <= failures) throw new Error('killed')
    })
  })
  afterEach(() => events.stop())

  const tell = async (...given: Parameters<typeof told>) => {
    await fetch(events.url, { method: 'POST', body: JSON.stringify(told(...given)) })
    await events.settled()
  }

  it('hands on an object as S3 would: with its key encoded, and the name of the event without s3:', async () => {
    await tell('direct/id/a b/ü+c')

    expect(delivered).toEqual([
      {
        Records: [
          {
            ...{ eventVersion: '2.2', eventSource: 'aws:s3', eventName: 'ObjectCreated:Put' },
            s3: { object: { key: 'direct/id/a+b/%C3%BC%2Bc', size: 3 } },
          },
        ],
      },
    ])
  })

  it.each([
    ['blobs/id', 's3:ObjectCreated:Put'],
    ['tails/id/0', 's3:ObjectCreated:Put'],
    ['direct/id/app', 's3:ObjectRemoved:Delete'],
    ['direct/id/app', 's3:ObjectCreated:CompleteMultipartUpload'],
  ])('keeps %s (%s) to itself', async (key, eventName) => {
    await tell(key, eventName)

    expect(delivered).toEqual([])
  })

  it.each([0, 1, 3])('delivers an event %i times when it is to', async copies => {
    events.delivery = { delay: 0, copies }
    await tell('direct/id/app')

    expect(delivered).toHaveLength(copies)
    expect(events.told).toEqual(['direct/id/app'])
  })

  it('delivers an event late when it is to', async () => {
    events.delivery = { delay: 200, copies: 1 }
    const before = performance.now()
    await tell('direct/id/app')

    expect(performance.now() - before).toBeGreaterThan(195)
    expect(delivered).toHaveLength(1)
  })

  it.each([
    ['until it succeeds', 2, 3],
    ['three times at most', 9, 3],
    ['no more when it has succeeded', 1, 2],
  ])('delivers again what failed, %s', async (_, failing, times) => {
    events.delivery = { delay: 0, copies: 1, again: 10 }
    failures = failing
    await tell('direct/id/app')

    expect(delivered).toHaveLength(times)
  })
})
