import { createHash } from 'node:crypto'
import { beforeEach, expect, it } from 'vitest'
import { Keyring } from '../../lambda/auth/keyring.ts'
import { LoginLimits } from '../../lambda/auth/login-limits.ts'
import { MemoryTable } from '../support/memory-table.ts'

const HERE = '192.0.2.1'
const ELSEWHERE = '198.51.100.1'

let limits: LoginLimits
beforeEach(() => {
  const keyring = new Keyring(['k'.repeat(43)])
  limits = new LoginLimits({ table: new MemoryTable(), keyring: () => keyring, clock: () => 1_000_000 })
})

it('lets nobody work out whose count is kept in the same row as his', async () => {
  const row = (address: string, name: string) =>
    createHash('sha256').update(`${address} ${name}`).digest('hex').slice(0, 4)
  let i = 0
  while (row(ELSEWHERE, `x${i}`) !== row(HERE, 'ann')) i++
  for (let failed = 0; failed < 10; failed++) await limits.noteFailure(`x${i}`, ELSEWHERE)
  await expect(limits.check('ann', HERE)).resolves.toBeUndefined()
})

it.each([
  ['2001:db8::1', '2001:db8::2'],
  ['2001:db8::1:2:3:4', '2001:db8::ffff:2:3:5'],
  ['2001:db8:1::1', '2001:db8:1:0:a::'],
  ['2001:db8:1:2::1', '2001:0DB8:0001:0002:a:b:c:d'],
  ['::1', '::2'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
])('takes %s and %s for one', async (one, other) => {
  for (let failed = 0; failed < 10; failed++) await limits.noteFailure('ann', one)
  await expect(limits.check('ann', other)).rejects.toThrow('too many requests')
})

it.each([
  ['2001:db8::1', '2001:db8:0:1::1'],
  ['2001:db8:1:2::1', '2001:db8:1:3::1'],
  ['192.0.2.1', '192.0.2.2'],
])('takes %s and %s for two', async (one, other) => {
  for (let failed = 0; failed < 10; failed++) await limits.noteFailure('ann', one)
  await expect(limits.check('ann', other)).resolves.toBeUndefined()
})
