import { readFile } from 'node:fs/promises'
import { hashSync } from 'bcryptjs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { IN_PROCESS } from '../../lambda/auth/identity/key-derivation.ts'
import { PasswordThreads } from '../../server/password-threads.ts'

const INPUT = {
  password: 'correct horse',
  salt: Buffer.from('salt'),
  cost: { N: 16, r: 8, p: 1 },
  length: 32,
}

describe('threads that hash passwords', () => {
  let threads: PasswordThreads
  beforeEach(() => {
    threads = new PasswordThreads()
  })
  afterEach(() => threads.close())

  it('make the same hash as node:crypto', async () => {
    expect(Buffer.from(await threads.scrypt(INPUT))).toEqual(await IN_PROCESS.scrypt(INPUT))
  })

  it('compare with bcrypt', async () => {
    const stored = hashSync('correct horse', 4)
    expect(await threads.bcrypt({ password: 'correct horse', stored })).toBe(true)
    expect(await threads.bcrypt({ password: 'wrong horse', stored })).toBe(false)
  })

  it('hash again after an invalid input', async () => {
    await expect(threads.scrypt({ ...INPUT, cost: { N: 3, r: 8, p: 1 } })).rejects.toThrow()
    expect(Buffer.from(await threads.scrypt(INPUT))).toEqual(await IN_PROCESS.scrypt(INPUT))
  })

  it('refuse a flood from one client at once, and hash the accepted passwords', async () => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 3_000 }, () => threads.scrypt(INPUT, 'one')),
    )
    const refused = outcomes.filter(({ status }) => status === 'rejected')
    expect(refused).toHaveLength(3_000 - 12)
    expect(refused[0]).toMatchObject({ reason: { code: 'TOOMANYREQUESTS' } })
  })

  it("leave Node's thread pool to file reads", async () => {
    let hashed = 0
    const slow = { ...INPUT, cost: { N: 2 ** 13, r: 8, p: 1 } }
    const hashes = Array.from({ length: 12 }, () => threads.scrypt(slow).then(() => hashed++))
    await readFile(import.meta.filename)
    // Behind twelve hashes on the four threads of Node's pool, a read would begin when nine of them are done.
    expect(hashed).toBeLessThan(9)
    await Promise.all(hashes)
  })

  it('hash for another client during a flood', async () => {
    const flood = Promise.allSettled(Array.from({ length: 3_000 }, () => threads.scrypt(INPUT, 'one')))
    await expect(threads.scrypt(INPUT, 'other')).resolves.toHaveLength(32)
    await flood
  })
})
