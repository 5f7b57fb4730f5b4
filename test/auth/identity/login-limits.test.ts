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
/** Another process on the same table. */
let another: () => LoginLimits
beforeEach(() => {
  now = 1_000_000
  const keyring = new Keyring(['k'.repeat(43)])
  const parts = { table: new MemoryTable(), keyring: () => keyring, clock: () => now }
  another = () => new LoginLimits(parts)
  limits = another()
})

class Wrong extends Error {}

const attempt = (name: string, address: string, work: () => Promise<void>, limitsOf = limits) =>
  limitsOf.attempt({ name, address }, work, error => error instanceof Wrong)
const right = (name: string, address: string) => attempt(name, address, async () => {})
const wrong = (name: string, address: string, limitsOf = limits) =>
  attempt(name, address, () => Promise.reject(new Wrong()), limitsOf).catch(error => {
    if (!(error instanceof Wrong)) throw error
  })

async function tenWrong(name: string, address: string): Promise<void> {
  for (let failed = 0; failed < 10; failed++) await wrong(name, address)
}

it('lets nobody work out whose count is kept in the same row as his', async () => {
  const row = (address: string, name: string) =>
    createHash('sha256').update(`${address} ${name}`).digest('hex').slice(0, 4)
  let i = 0
  while (row(ELSEWHERE, `x${i}`) !== row(HERE, 'ann')) i++
  await tenWrong(`x${i}`, ELSEWHERE)
  await expect(right('ann', HERE)).resolves.toBeUndefined()
})

it('counts anew when five minutes have passed', async () => {
  await tenWrong('ann', HERE)
  now += 5 * 60_000
  for (let failed = 0; failed < 9; failed++) await wrong('ann', HERE)
  await expect(right('ann', HERE)).resolves.toBeUndefined()
  await wrong('ann', HERE)
  await expect(right('ann', HERE)).rejects.toThrow('too many wrong passwords')
})

it('counts nothing against somebody of whom nobody could say whether he was right', async () => {
  const error = new Error('STS does not answer')
  for (let i = 0; i < 20; i++)
    await expect(attempt('ann', HERE, () => Promise.reject(error))).rejects.toBe(error)
})

describe('addresses of one network', () => {
  it('count together', async () => {
    await tenWrong('ann', '2001:db8:1:2::1')
    await expect(right('ann', '2001:0DB8:1:2:a:b:c:d')).rejects.toThrow('too many wrong passwords')
  })

  it('count together with an IPv4 address that they stand for', async () => {
    await tenWrong('ann', HERE)
    await expect(right('ann', `::ffff:${HERE}`)).rejects.toThrow('too many wrong passwords')
  })

  it('do not count for another /64 nearby', async () => {
    await tenWrong('ann', '2001:db8:1:2::1')
    await expect(right('ann', '2001:db8:1:3::1')).resolves.toBeUndefined()
  })
})

describe('networks of one /48', () => {
  const address = (network: number) => `2001:db8:1:${network.toString(16)}::1`

  it('guess forty passwords of one name together', async () => {
    for (let network = 0; network < 40; network++) await wrong('ann', address(network))
    await expect(right('ann', address(40))).rejects.toThrow('too many wrong passwords')
    await expect(right('ann', '2001:db8:2::1')).resolves.toBeUndefined()
  })

  it('guess four hundred passwords of any names together', async () => {
    for (let i = 0; i < 400; i++) await wrong(`user${i}`, address(i))
    await expect(right('ann', address(400))).rejects.toThrow('too many wrong passwords')
    await expect(right('ann', '2001:db8:2::1')).resolves.toBeUndefined()
  })
})

describe('of those who try at once', () => {
  const most = 10
  const waiting = () => new Promise(resolve => setTimeout(resolve, 5))

  it('no more go ahead than may fail, and the others are told to wait when they have', async () => {
    let begun = 0
    const { promise, reject } = Promise.withResolvers<void>()
    const guess = () => {
      begun++
      return promise
    }
    const guesses = Promise.allSettled(Array.from({ length: 60 }, () => attempt('ann', HERE, guess)))
    await waiting()
    expect(begun).toBe(most)
    reject(new Wrong())
    const told = (await guesses).map(guess => guess.status === 'rejected' && guess.reason)
    const refusals = told.filter(reason => reason instanceof RegistryError)
    expect([begun, refusals.length]).toEqual([most, 50])
  })

  it('all come to their turn who are right', async () => {
    let done = 0
    const work = () => waiting().then(() => void done++)
    await Promise.all(Array.from({ length: 60 }, () => attempt('ann', HERE, work)))
    expect(done).toBe(60)
  })

  it('no more than a hundred wait, and the others are refused at once', async () => {
    const work = Promise.withResolvers<void>()
    const running = Array.from({ length: 110 }, () => attempt('ann', HERE, () => work.promise))
    await waiting()
    const refused = attempt('ann', HERE, () => work.promise)
    await expect(refused).rejects.toMatchObject({ code: 'TOOMANYREQUESTS', headers: { 'retry-after': '2' } })
    work.resolve()
    await Promise.all(running)
  })

  it('none waits for somebody elsewhere', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    let ended = 0
    const slow = Array.from({ length: 30 }, () => attempt('ann', HERE, () => promise).finally(() => ended++))
    await right('ann', ELSEWHERE)
    expect(ended).toBe(0)
    resolve()
    await Promise.all(slow)
  })

  it('every failure counts, in whatever process', async () => {
    await Promise.all(Array.from({ length: most }, () => wrong('ann', HERE, another())))
    await expect(right('ann', HERE)).rejects.toThrow('too many wrong passwords')
  })
})
