import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createEc2, type Ec2 as Ec2Client } from '../../lambda/aws/relay/ec2.ts'
import { Ec2, type ErrorCode } from './emulator/ec2.ts'
import { Ec2Instance, type Service } from './emulator/ec2-instance.ts'

const BOOT_MS = 400
const SHUTDOWN_MS = 400

/** A service without a process. */
class FakeService implements Service {
  readonly #exit = Promise.withResolvers<number | null>()
  readonly exited = this.#exit.promise
  readonly signals: string[] = []

  exit(code: number): void {
    this.#exit.resolve(code)
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    this.signals.push(signal)
    this.#exit.resolve(signal === 'SIGTERM' ? 0 : null)
    await this.exited
  }
}

/** Called through the client of the API, so that the documents are those that it reads. */
describe('the emulated EC2', () => {
  let services: FakeService[]
  let instance: Ec2Instance
  let ec2: Ec2
  let client: Ec2Client
  beforeEach(async () => {
    services = []
    const startService = () => {
      const service = new FakeService()
      services.push(service)
      return service
    }
    instance = new Ec2Instance({ startService, bootMs: BOOT_MS, shutdownMs: SHUTDOWN_MS })
    ec2 = await Ec2.start(instance)
    const credentials = async () => ({ accessKeyId: 'id', secretAccessKey: 'key' })
    client = createEc2({ region: 'eu-central-1', endpoint: ec2.endpoint }, credentials)
  })
  afterEach(() => ec2.stop())

  const state = () => client.state(instance.id)
  const reaches = (expected: string) => expect.poll(state, { interval: 20 }).toBe(expected)
  const boot = async () => {
    await client.start(instance.id)
    await expect.poll(() => services.length).toBe(1)
  }
  const service = () => services[0] as FakeService

  it('boots a stopped instance, which then runs its service', async () => {
    expect(await client.start(instance.id)).toBe('stopped')
    expect([await state(), instance.isReachable]).toEqual(['pending', false])
    await reaches('running')
    await expect.poll(() => services.length).toBe(1)

    expect(instance).toMatchObject({ isReachable: true, starts: 1 })
  })

  it('ignores the start of an instance that boots or runs', async () => {
    await client.start(instance.id)
    expect(await client.start(instance.id)).toBe('pending')
    await reaches('running')

    expect(await client.start(instance.id)).toBe('running')
    expect(instance.starts).toBe(1)
  })

  it('reports running at the beginning of a power-off, then stopping, then stopped', async () => {
    await boot()
    service().exit(0)
    await expect.poll(() => instance.isReachable).toBe(false)

    expect(await client.start(instance.id)).toBe('running')
    await reaches('stopping')
    await expect(client.start(instance.id)).rejects.toThrow('IncorrectInstanceState')
    await reaches('stopped')
    expect(await client.start(instance.id)).toBe('stopped')
    expect(instance.starts).toBe(2)
  })

  it('stops an instance by a signal to its service', async () => {
    await boot()
    await client.stop(instance.id)

    expect(await state()).toBe('stopping')
    await reaches('stopped')
    expect(service().signals).toEqual(['SIGTERM'])
  })

  it('refuses to stop an instance that boots, and ignores it for a stopped one', async () => {
    await client.stop(instance.id)
    await client.start(instance.id)

    await expect(client.stop(instance.id)).rejects.toThrow('IncorrectInstanceState')
  })

  it('runs a service that failed again, in the same boot', async () => {
    await boot()
    await instance.killService()
    await expect.poll(() => services.length).toBe(2)

    expect([instance.state, instance.starts]).toEqual(['running', 1])
  })

  it.each<[ErrorCode, number]>([
    ['InsufficientInstanceCapacity', 500],
    ['RequestLimitExceeded', 503],
    ['UnauthorizedOperation', 403],
    ['VcpuLimitExceeded', 400],
    ['PendingVerification', 400],
  ])('refuses one start with %s on demand', async (code, status) => {
    ec2.refusals.push(code)

    await expect(client.start(instance.id)).rejects.toMatchObject({
      code,
      message: `EC2 refused StartInstances: ${status} ${code}`,
    })
    expect(await client.start(instance.id)).toBe('stopped')
  })

  it('does not know another instance', async () => {
    await expect(client.state('i-00000000')).rejects.toThrow('InvalidInstanceID.NotFound')
  })

  it('refuses an unsigned request', async () => {
    expect((await fetch(ec2.endpoint, { method: 'POST', body: 'Action=StartInstances' })).status).toBe(401)
  })
})
