import { setImmediate as nextTick } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { StorageFull } from '../../../lambda/store/blobs.ts'
import { PartSender } from '../../../lambda/store/s3/part-sender.ts'

const never = () => new Promise<void>(() => {})

describe('PartSender', () => {
  it.each([
    ['small', 8, 5],
    ['large', 32, 2],
    ['medium', 20, 3],
  ])('limits the total size of the buffers of %s parts', async (_, size, maxBuffers) => {
    const sender = new PartSender(64)
    const finishers: (() => void)[] = []
    const buffers = new Set<Buffer>()
    while (buffers.size < maxBuffers) {
      const buffer = await sender.buffer(size)
      buffers.add(buffer)
      sender.send(buffer, () => new Promise(done => finishers.push(done)))
    }
    let next: Buffer | undefined
    const another = sender.buffer(size).then(buffer => {
      next = buffer
    })
    await nextTick()
    expect([buffers.size, next]).toEqual([maxBuffers, undefined])

    finishers.pop()?.()
    await another
    expect(buffers.has(next as Buffer)).toBe(true)
  })

  it('throws StorageFull when two buffers of a part exceed the limit', async () => {
    await expect(new PartSender(64).buffer(33)).rejects.toBeInstanceOf(StorageFull)
    await expect(new PartSender(64).buffer(undefined)).rejects.toBeInstanceOf(StorageFull)
  })

  it('throws the error of a part at the next call', async () => {
    const error = new Error('lost')
    for (const method of ['buffer', 'finish'] as const) {
      const sender = new PartSender(64)
      sender.send(await sender.buffer(8), () => Promise.reject(error))
      await nextTick()

      await expect(sender[method](8)).rejects.toBe(error)
    }
  })

  it('does not reuse the buffer of a smaller part for a larger one', async () => {
    const sender = new PartSender(64)
    sender.send(await sender.buffer(8), async () => {})
    await nextTick()
    expect((await sender.buffer(32)).length).toBe(32)
  })

  it('finishes when all parts have arrived', async () => {
    const sender = new PartSender(64)
    let arrived = 0
    for (let sent = 0; sent < 9; sent++)
      sender.send(await sender.buffer(8), async () => {
        await nextTick()
        arrived++
      })
    await sender.finish()

    expect(arrived).toBe(9)
  })

  it('aborts the parts in flight', async () => {
    const sender = new PartSender(64)
    let stopped = false
    sender.send(await sender.buffer(8), signal =>
      Promise.race([
        never(),
        new Promise<void>((_, reject) =>
          signal.addEventListener('abort', () => {
            stopped = true
            reject(signal.reason)
          }),
        ),
      ]),
    )
    await sender.abort()

    expect(stopped).toBe(true)
  })
})
