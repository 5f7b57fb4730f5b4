import { createHash } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import { LoginLimits } from '../../../lambda/auth/identity/login-limits.ts'
import { Keyring } from '../../../lambda/auth/tokens/keyring.ts'
import { RegistryError } from '../../../lambda/protocol/errors.ts'
import { MemoryTable } from '../../support/memory-table.ts'

const HERE = '192.0.2.1'
const ELSEWHERE = '198.51.100.1'

let now: number
let limits: LoginLimits
/** Creates the limits of another process on the same table. */
let inAnotherProcess: () => LoginLimits
beforeEach(() => {
  now = 1_000_000
  const keyring = new Keyring(['k'.repeat(43)])
  const parts = { table: new MemoryTable(), keyring: () => keyring, clock: () => now }
  inAnotherProcess = () => new LoginLimits(parts)
  limits = inAnotherProcess()
})

class WrongPassword extends Error {}

const attempt = (name: string, address: string, work: () => Promise<void>, limitsOf = limits) =>
  limitsOf.attempt({ name, address }, work, error => error instanceof WrongPassword)
const succeed = (name: string, address: string) => attempt(name, address, async () => {})
const fail = (name: string, address: string, limitsOf = limits) =>
  attempt(name, address, () => Promise.reject(new WrongPassword()), limitsOf).catch(error => {
    if (!(error instanceof WrongPassword)) throw error
  })

async function failTenTimes(name: string, address: string): Promise<void> {
  for (let failed = 0; failed < 10; failed++) await fail(name, address)
}

it('the row of a count is not that of an unkeyed hash, which an attacker could compute', async () => {
  const row = (address: string, name: string) =>
    createHash('sha256').update(`${address} ${name}`).digest('hex').slice(0, 4)
  let i = 0
  while (row(ELSEWHERE, `x${i}`) !== row(HERE, 'ann')) i++
  await failTenTimes(`x${i}`, ELSEWHERE)
  await expect(succeed('ann', HERE)).resolves.toBeUndefined()
})

it('failures count for five minutes', async () => {
  await failTenTimes('ann', HERE)
  now += 5 * 60_000
  for (let failed = 0; failed < 9; failed++) await fail('ann', HERE)
  await expect(succeed('ann', HERE)).resolves.toBeUndefined()
  await fail('ann', HERE)
  await expect(succeed('ann', HERE)).rejects.toThrow('too many wrong passwords')
})

it('an error other than a wrong password does not count', async () => {
  const error = new Error('no response from STS')
  for (let i = 0; i < 20; i++)
    await expect(attempt('ann', HERE, () => Promise.reject(error))).rejects.toBe(error)
})

describe('addresses of one network', () => {
  it('count together', async () => {
    await failTenTimes('ann', '2001:db8:1:2::1')
    await expect(succeed('ann', '2001:0DB8:1:2:a:b:c:d')).rejects.toThrow('too many wrong passwords')
  })

  it('count together with the IPv4 address that they contain', async () => {
    await failTenTimes('ann', HERE)
    await expect(succeed('ann', `::ffff:${HERE}`)).rejects.toThrow('too many wrong passwords')
  })

  it('do not count for another /64 nearby', async () => {
    await failTenTimes('ann', '2001:db8:1:2::1')
    await expect(succeed('ann', '2001:db8:1:3::1')).resolves.toBeUndefined()
  })
})

describe('networks of one /48', () => {
  const address = (network: number) => `2001:db8:1:${network.toString(16)}::1`

  it('may fail forty times together for one name', async () => {
    for (let network = 0; network < 40; network++) await fail('ann', address(network))
    await expect(succeed('ann', address(40))).rejects.toThrow('too many wrong passwords')
    await expect(succeed('ann', '2001:db8:2::1')).resolves.toBeUndefined()
  })

  it('may fail four hundred times together for any names', async () => {
    for (let i = 0; i < 400; i++) await fail(`user${i}`, address(i))
    await expect(succeed('ann', address(400))).rejects.toThrow('too many wrong passwords')
    await expect(succeed('ann', '2001:db8:2::1')).resolves.toBeUndefined()
  })
})

describe('concurrent logins', () => {
  const MAX_FAILURES = 10
  const pause = () => new Promise(resolve => setTimeout(resolve, 5))

  it('run up to the number that may still fail, and the others are rejected when all of these have failed', async () => {
    let begun = 0
    const { promise, reject } = Promise.withResolvers<void>()
    const guess = () => {
      begun++
      return promise
    }
    const guesses = Promise.allSettled(Array.from({ length: 60 }, () => attempt('ann', HERE, guess)))
    await pause()
    expect(begun).toBe(MAX_FAILURES)
    reject(new WrongPassword())
    const reasons = (await guesses).map(guess => guess.status === 'rejected' && guess.reason)
    const rejections = reasons.filter(reason => reason instanceof RegistryError)
    expect([begun, rejections.length]).toEqual([MAX_FAILURES, 50])
  })

  it('all run if none fails', async () => {
    let done = 0
    const work = () => pause().then(() => void done++)
    await Promise.all(Array.from({ length: 60 }, () => attempt('ann', HERE, work)))
    expect(done).toBe(60)
  })

  it('wait up to a hundred, and further ones are rejected at once with Retry-After', async () => {
    const work = Promise.withResolvers<void>()
    const running = Array.from({ length: 110 }, () => attempt('ann', HERE, () => work.promise))
    await pause()
    const rejected = attempt('ann', HERE, () => work.promise)
    await expect(rejected).rejects.toMatchObject({ code: 'TOOMANYREQUESTS', headers: { 'retry-after': '2' } })
    work.resolve()
    await Promise.all(running)
  })

  it('do not wait for logins from another network', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    let ended = 0
    const slow = Array.from({ length: 30 }, () => attempt('ann', HERE, () => promise).finally(() => ended++))
    await succeed('ann', ELSEWHERE)
    expect(ended).toBe(0)
    resolve()
    await Promise.all(slow)
  })

  it('count in all processes together', async () => {
    await Promise.all(Array.from({ length: MAX_FAILURES }, () => fail('ann', HERE, inAnotherProcess())))
    await expect(succeed('ann', HERE)).rejects.toThrow('too many wrong passwords')
  })
})
