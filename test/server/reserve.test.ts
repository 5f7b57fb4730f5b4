import { existsSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Reserve } from '../../server/reserve.ts'
import { freshFolder } from './process.ts'

/** A reserve that exists, and its reports. */
async function createReserve(folder: string) {
  const reports: string[] = []
  const reserve = new Reserve(folder, message => reports.push(message))
  await reserve.restore()
  return { reserve, reports, file: join(folder, 'reserve') }
}

describe('the reserve', () => {
  it('occupies room until it is released', async () => {
    using folder = freshFolder()
    const { reserve, file } = await createReserve(folder.path)
    expect(statSync(file).size).toBeGreaterThan(1_000_000)

    expect(reserve.release()).toBe(true)

    expect([existsSync(file), reserve.isReleased]).toEqual([false, true])
  })

  it('reports once that it was released', async () => {
    using folder = freshFolder()
    const { reserve, reports } = await createReserve(folder.path)
    reserve.release()
    reserve.release()

    expect(reports).toEqual([expect.stringMatching(/^the disk is full: .*pushes are refused/)])
  })

  it('is created again when there is room', async () => {
    using folder = freshFolder()
    const { reserve, file } = await createReserve(folder.path)
    reserve.release()
    await reserve.restore()

    expect([existsSync(file), reserve.isReleased]).toEqual([true, false])
  })

  it('is completed after a crash while it was created', async () => {
    using folder = freshFolder()
    writeFileSync(join(folder.path, 'reserve'), 'half')
    const { file } = await createReserve(folder.path)

    expect(statSync(file).size).toBeGreaterThan(1_000_000)
  })

  it('cannot be released when it does not exist', () => {
    using folder = freshFolder()
    const reserve = new Reserve(folder.path, () => {})

    expect([reserve.release(), reserve.isReleased]).toEqual([false, false])
  })
})
