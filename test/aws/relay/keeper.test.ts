import { describe, expect, it } from 'vitest'
import { stopRunawayRelay } from '../../../lambda/aws/relay/guard.ts'
import { MINUTE, RelayWorld, SECOND } from './fixture.ts'

const IDLE = 15 * MINUTE

async function served(): Promise<RelayWorld> {
  const world = new RelayWorld()
  await world.waker().wakeAndWait(27 * SECOND)
  return world
}

describe('an idle relay', () => {
  it('stops when it has served no request and no push wanted it for the idle time', async () => {
    const world = await served()
    await world.pass(IDLE + MINUTE)

    expect(await world.keeper.tryStop()).toBe(true)
    expect(await world.rows.read()).toMatchObject({ state: 'stopping' })
  })

  it('does not stop before the idle time has passed', async () => {
    const world = await served()
    await world.pass(IDLE - MINUTE)

    expect(await world.keeper.tryStop()).toBe(false)
  })

  it('does not stop while a request is served, however long it takes', async () => {
    const world = await served()
    world.keeper.begin()
    await world.pass(5 * IDLE)

    expect(await world.keeper.tryStop()).toBe(false)
  })

  it('stops the idle time after its last request has ended', async () => {
    const world = await served()
    const end = world.keeper.begin()
    await world.pass(5 * IDLE)
    end()

    expect(await world.keeper.tryStop()).toBe(false)
    await world.pass(IDLE)
    expect(await world.keeper.tryStop()).toBe(true)
  })

  it('does not stop when a push has requested it in the meantime', async () => {
    const world = await served()
    await world.pass(IDLE + MINUTE)
    await world.waker().wake()

    expect(await world.keeper.tryStop()).toBe(false)
  })

  it('runs for 30 minutes after the deployment that created it', async () => {
    const world = new RelayWorld()
    await world.keeper.renew()
    await world.pass(29 * MINUTE)
    expect(await world.keeper.tryStop()).toBe(false)

    await world.pass(2 * MINUTE)
    expect(await world.keeper.tryStop()).toBe(true)
  })

  it('runs for 30 minutes when a deployment has replaced the instance', async () => {
    const world = await served()
    world.crash()
    await world.pass(60 * MINUTE)
    Object.assign(world.rows, { instance: 'i-fedcba9876543210f' })
    await world.keeper.renew()
    await world.pass(29 * MINUTE)

    expect(await world.keeper.tryStop()).toBe(false)
  })

  it('is ready again when it renews after its row was taken for that of a crashed one', async () => {
    const world = await served()
    world.crash()
    await world.pass(2 * MINUTE)
    await world.waker().wake()

    await world.keeper.renew()

    expect(await world.waker().isReady()).toBe(true)
  })
})

describe('the hourly collector', () => {
  const guard = (world: RelayWorld) => stopRunawayRelay(world.rows, world.ec2, world.now)

  it('stops an instance whose relay has not renewed its row for ten minutes', async () => {
    const world = await served()
    world.crash()
    await world.pass(12 * MINUTE)

    expect(await guard(world)).toBe(true)
    await world.pass(world.shutdown)
    expect(world.state).toBe('stopped')
  })

  it('stops an instance that has never served, at its second run', async () => {
    const world = new RelayWorld()
    world.state = 'running'

    const first = await guard(world)
    await world.pass(60 * MINUTE)
    const second = await guard(world)

    expect([first, second]).toEqual([false, true])
  })

  it.each(['serves', 'boots', 'is stopped'])('leaves an instance alone that %s', async what => {
    const world = new RelayWorld()
    if (what !== 'is stopped') await world.waker().wake()
    if (what === 'serves') await world.pass(60 * MINUTE)

    expect(await guard(world)).toBe(false)
  })

  it('leaves an instance that a push can start at once', async () => {
    const world = await served()
    world.crash()
    await world.pass(12 * MINUTE)
    await guard(world)

    await world.waker().wakeAndWait(27 * SECOND)

    expect(await world.waker().wakeAndWait(27 * SECOND)).toEqual({ state: 'ready' })
  })
})
