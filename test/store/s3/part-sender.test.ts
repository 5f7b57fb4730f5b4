import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { StorageFull } from '../../../lambda/store/blobs.ts'
import { PartSender } from '../../../lambda/store/s3/part-sender.ts'

const never = () => new Promise<void>(() => {})

describe('sending parts', () => {
  it.each([
    ['small', 8, 5],
    ['large', 32, 2],
    ['in between', 20, 3],
  ])('holds no more buffers than there is memory for, of %s parts', async (_, size, most) => {
    const sender = new PartSender(64)
    const waiting: (() => void)[] = []
    const buffers = new Set<Buffer>()
    for (let given = 0; given < most; given++) {
      const buffer = await sender.buffer(size)
      buffers.add(buffer)
      sender.send(buffer, () => new Promise(done => waiting.push(done)))
    }
    let next: Buffer | undefined
    const another = sender.buffer(size).then(buffer => {
      next = buffer
    })
    await turn()
    expect([buffers.size, next]).toEqual([most, undefined])

    waiting.pop()?.()
    await another
    expect(buffers.has(next as Buffer)).toBe(true)
  })

  it('has no room for a part of which two do not fit into the memory', async () => {
    await expect(new PartSender(64).buffer(33)).rejects.toBeInstanceOf(StorageFull)
    await expect(new PartSender(64).buffer(undefined)).rejects.toBeInstanceOf(StorageFull)
  })

  it('tells the error of a part to whoever asks next', async () => {
    const error = new Error('lost')
    for (const ask of ['buffer', 'finish'] as const) {
      const sender = new PartSender(64)
      sender.send(await sender.buffer(8), () => Promise.reject(error))
      await turn()

      await expect(sender[ask](8)).rejects.toBe(error)
    }
  })

  it('gives no buffer of a smaller part for a larger one', async () => {
    const sender = new PartSender(64)
    sender.send(await sender.buffer(8), async () => {})
    await turn()
    expect((await sender.buffer(32)).length).toBe(32)
  })

  it('finishes when all have arrived', async () => {
    const sender = new PartSender(64)
    let arrived = 0
    for (let sent = 0; sent < 9; sent++)
      sender.send(await sender.buffer(8), async () => {
        await turn()
        arrived++
      })
    await sender.finish()

    expect(arrived).toBe(9)
  })

  it('takes what is in flight back', async () => {
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
