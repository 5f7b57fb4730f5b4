import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BucketEvents } from './emulator/bucket-events.ts'

/** An event of versitygw. */
const gatewayEvent = (key: string, eventName = 's3:ObjectCreated:Put') => ({
  Records: [{ eventVersion: '2.2', eventSource: 'aws:s3', eventName, s3: { object: { key, size: 3 } } }],
})

describe('the emulated notification of a bucket', () => {
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

  const notify = async (...parameters: Parameters<typeof gatewayEvent>) => {
    await fetch(events.url, { method: 'POST', body: JSON.stringify(gatewayEvent(...parameters)) })
    await events.settled()
  }

  it('delivers an event as S3 does: with an encoded key and without s3: in the event name', async () => {
    await notify('direct/id/a b/ü+c')

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
  ])('does not deliver an event of %s (%s)', async (key, eventName) => {
    await notify(key, eventName)

    expect(delivered).toEqual([])
  })

  it.each([0, 1, 3])('delivers an event %i times on demand', async copies => {
    events.delivery = { delay: 0, copies }
    await notify('direct/id/app')

    expect(delivered).toHaveLength(copies)
    expect(events.keys).toEqual(['direct/id/app'])
  })

  it('delays an event on demand', async () => {
    events.delivery = { delay: 200, copies: 1 }
    const before = performance.now()
    await notify('direct/id/app')

    expect(performance.now() - before).toBeGreaterThan(195)
    expect(delivered).toHaveLength(1)
  })

  it.each([
    ['until it succeeds', 2, 3],
    ['three times at most', 9, 3],
    ['not again after a success', 1, 2],
  ])('repeats a failed event %s', async (_, failing, times) => {
    events.delivery = { delay: 0, copies: 1, retryDelay: 10 }
    failures = failing
    await notify('direct/id/app')

    expect(delivered).toHaveLength(times)
  })
})
