import { describe, expect, it } from 'vitest'
import { MINUTE, RelayWorld, SECOND } from './fixture.ts'

const WAIT = 27 * SECOND

describe('a request that needs the relay', () => {
  it('starts a stopped instance and waits until it serves', async () => {
    const world = new RelayWorld()
    const began = world.now

    const readiness = await world.waker().wakeAndWait(WAIT)

    expect(readiness).toEqual({ state: 'ready' })
    expect(world.now - began).toBeLessThanOrEqual(world.boot + SECOND)
  })

  it('is told that the relay is starting when the wait ends first, and the next one finds it ready', async () => {
    const world = new RelayWorld()
    world.boot = 45 * SECOND

    const first = await world.waker().wakeAndWait(WAIT)
    const second = await world.waker().wakeAndWait(WAIT)

    expect([first.state, second.state]).toEqual(['starting', 'ready'])
    expect(world.starts).toBe(1)
  })

  it('finds a ready relay without a write', async () => {
    const world = new RelayWorld()
    await world.waker().wakeAndWait(WAIT)
    const { version } = await world.rows.read()

    await world.waker().wakeAndWait(WAIT)

    expect((await world.rows.read()).version).toBe(version)
  })

  it('extends the time that the relay is wanted once in five minutes', async () => {
    const world = new RelayWorld()
    await world.waker().wakeAndWait(WAIT)
    const { version, wantedUntil } = await world.rows.read()
    await world.pass(6 * MINUTE)

    for (let layer = 0; layer < 5; layer++) await world.waker().wake()

    const row = await world.rows.read()
    expect(row.version).toBe(version + 1)
    expect(row.wantedUntil).toBeGreaterThan(wantedUntil)
  })

  it.each(['stopping', 'running'] as const)(
    'starts an instance again that shuts down and is still reported as %s',
    async state => {
      const world = new RelayWorld()
      await world.waker().wakeAndWait(WAIT)
      await world.pass(31 * MINUTE)
      expect(await world.keeper.tryStop()).toBe(true)
      world.powerOff()
      if (state === 'stopping') await world.pass(world.shutdown / 2)

      const results = [await world.waker().wakeAndWait(WAIT), await world.waker().wakeAndWait(WAIT)]

      expect(results.at(-1)).toEqual({ state: 'ready' })
    },
  )

  it('starts an instance that was stopped by hand while its row says ready', async () => {
    const world = new RelayWorld()
    await world.waker().wakeAndWait(WAIT)
    world.powerOff()
    await world.pass(2 * MINUTE)

    expect(await world.waker().wakeAndWait(WAIT)).toEqual({ state: 'ready' })
    expect(world.starts).toBe(2)
  })

  it('waits for a relay that restarts on a running instance', async () => {
    const world = new RelayWorld()
    await world.waker().wakeAndWait(WAIT)
    world.crash()
    await world.pass(2 * MINUTE)
    world.after(5 * SECOND, () => world.keeper.renew())

    expect(await world.waker().wakeAndWait(WAIT)).toEqual({ state: 'ready' })
  })

  it.each([
    ['InsufficientInstanceCapacity', 'AWS has no capacity for its instance type'],
    ['VcpuLimitExceeded', 'the EC2 quota of the AWS account is used up'],
    ['PendingVerification', 'AWS is still verifying the account'],
    ['UnauthorizedOperation', 'must allow ec2:StartInstances'],
    ['InvalidInstanceID.NotFound', 'must deploy the stack again'],
  ])('fails at once, with the reason, when EC2 answers %s', async (code, reason) => {
    const world = new RelayWorld()
    world.refusals.push(code)
    const began = world.now

    const readiness = await world.waker().wakeAndWait(WAIT)

    expect(readiness).toEqual({ state: 'failed', problem: expect.stringContaining(reason) })
    expect(world.now).toBe(began)
  })

  it('gives the reason of a failed start to others without asking EC2 again, for 15 seconds', async () => {
    const world = new RelayWorld()
    world.refusals.push('InsufficientInstanceCapacity')
    await world.waker().wake()
    world.refusals.push('VcpuLimitExceeded')

    await world.pass(14 * SECOND)
    const soon = await world.waker().wake()
    await world.pass(2 * SECOND)
    const later = await world.waker().wake()

    expect([soon, later]).toMatchObject([
      { problem: expect.stringContaining('capacity') },
      { problem: expect.stringContaining('quota') },
    ])
  })

  it.each(['RequestLimitExceeded', 'Unavailable', 'InternalError'])(
    'tries again after two seconds when EC2 answers %s',
    async code => {
      const world = new RelayWorld()
      world.refusals.push(code, code)

      expect(await world.waker().wakeAndWait(WAIT)).toEqual({ state: 'ready' })
    },
  )

  it('starts the instance again when a start has not succeeded after 90 seconds', async () => {
    const world = new RelayWorld()
    world.boot = 24 * 60 * MINUTE
    await world.waker().wake()
    world.crash()
    world.state = 'stopped'
    world.boot = 20 * SECOND
    await world.pass(91 * SECOND)

    expect(await world.waker().wakeAndWait(WAIT)).toEqual({ state: 'ready' })
  })
})

describe('a row of an earlier deployment', () => {
  it('is replaced when the deployment has another instance', async () => {
    const world = new RelayWorld()
    await world.waker().wakeAndWait(WAIT)
    const row = await world.rows.read()
    await world.rows.change(row, { state: 'ready' })

    const { rows } = world
    Object.assign(rows, { instance: 'i-fedcba9876543210f' })
    const started = await world.waker().wake()

    expect(started).toEqual({ state: 'starting' })
    expect(await rows.read()).toMatchObject({ instance: 'i-fedcba9876543210f', state: 'starting' })
  })
})
