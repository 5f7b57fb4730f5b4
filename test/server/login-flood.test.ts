import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createAuth } from '../../lambda/auth/auth.ts'
import type { KeyDerivation } from '../../lambda/auth/identity/key-derivation.ts'
import { Passwords } from '../../lambda/auth/identity/passwords.ts'
import { Keyring } from '../../lambda/auth/tokens/keyring.ts'
import { WorkQueue } from '../../server/work-queue.ts'
import { basic, newKey } from '../support/auth.ts'
import { digest } from '../support/content.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { openRegistry, type TestRegistry } from '../support/registry.ts'

const LAYER = 'a small layer'

/** Hashes passwords in a queue with two places, as the server does, but ends no hash before the test releases them. */
function blockedDerivation(): KeyDerivation & { release(): void } {
  const queue = new WorkQueue({ running: 1, waiting: 1, perClient: 9 })
  const { promise, resolve } = Promise.withResolvers<void>()
  return {
    scrypt: ({ length }, from) => queue.run(() => promise.then(() => Buffer.alloc(length, 1)), from),
    bcrypt: (_, from) => queue.run(() => promise.then(() => false), from),
    release: resolve,
  }
}

let derivation: ReturnType<typeof blockedDerivation>
let registry: TestRegistry
/** The credentials of a robot, whose key needs no slow hash. */
let robot: Record<string, string>
beforeEach(async () => {
  derivation = blockedDerivation()
  const table = new MemoryTable()
  const keyring = new Keyring([newKey()])
  const passwords = new Passwords({ derivation })
  const auth = createAuth({ table, clock: () => 0, keyring: () => keyring, passwords })
  registry = openRegistry({ table, auth })
  const { key } = await auth.accounts.addRobot('ci', { grants: [{ may: ['pull', 'push'], on: ['**'] }] })
  robot = basic('ci', key)
  const target = `/v2/app/blobs/uploads/?digest=${digest(LAYER)}`
  await registry.expectStatus(201, 'POST', target, { headers: robot, body: LAYER })
})
afterEach(() => derivation.release())

const logIn = (name: string) => registry.get('/v2/', basic(name, 'wrong'))

describe('while the queue of password hashes is full', () => {
  let logins: ReturnType<typeof logIn>[]
  beforeEach(() => {
    logins = ['user1', 'user2'].map(logIn)
  })

  it('a robot pulls a blob', async () => {
    const { status, text } = await registry.get(`/v2/app/blobs/${digest(LAYER)}`, robot)
    expect([status, text]).toEqual([200, LAYER])
  })

  it('the logins in the queue get their response when the hashes end', async () => {
    derivation.release()
    expect((await Promise.all(logins)).map(({ status }) => status)).toEqual([401, 401])
  })

  it('another login is rejected at once with Retry-After', async () => {
    const { status, headers, json } = await logIn('ann')
    expect([status, headers['retry-after']]).toEqual([429, '2'])
    expect(json.errors?.[0]?.message).toBe('too many logins at the same time')
  })

  it('a login that is rejected does not count as a wrong password', async () => {
    for (let i = 0; i < 20; i++) await logIn('ann')
    derivation.release()
    await Promise.all(logins)
    expect((await logIn('ann')).status).toBe(401)
  })
})
