import { scryptSync } from 'node:crypto'
import { hashSync } from 'bcryptjs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { IN_PROCESS, type KeyDerivation } from '../../../lambda/auth/identity/key-derivation.ts'
import { Passwords } from '../../../lambda/auth/identity/passwords.ts'
import { cheapPasswords } from '../../support/passwords.ts'

/** A hash in the format of versions before 0.2. */
function earlierFormat(password: string, [N, r, p]: [number, number, number] = [16, 8, 1]): string {
  const salt = Buffer.from('0123456789abcdef')
  const hash = scryptSync(password, salt, 32, { N, r, p })
  return ['scrypt', N, r, p, salt.toString('base64url'), hash.toString('base64url')].join('$')
}

/** Passwords that record the cost of each scrypt hash and do not compute it. */
function recordingPasswords(): { passwords: Passwords; costs: number[] } {
  const costs: number[] = []
  const derivation: KeyDerivation = {
    ...IN_PROCESS,
    scrypt: async ({ cost: { N, r, p }, length }) => {
      costs.push(N * r * p)
      return Buffer.alloc(length, 1)
    },
  }
  return { passwords: new Passwords({ derivation }), costs }
}
const PRODUCTION_WORK = 2 ** 15 * 8 * 3

describe('a hash', () => {
  it('is a PHC string of the production cost by default', async () => {
    expect(await recordingPasswords().passwords.hash('correct horse')).toMatch(
      /^\$scrypt\$ln=15,r=8,p=3\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/,
    )
  })

  it('has the parameters, the salt and the result of scrypt', async () => {
    const [, , parameters, salt = '', hash = ''] = (await cheapPasswords.hash('correct horse')).split('$')
    const expected = scryptSync('correct horse', Buffer.from(salt, 'base64'), 32, { N: 16, r: 8, p: 1 })
    expect([parameters, hash]).toEqual(['ln=4,r=8,p=1', expected.toString('base64').replace(/=$/, '')])
  })

  it('matches only its own password', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'grapheme' }),
        fc.string({ unit: 'grapheme' }),
        async (one, other) => {
          const stored = await cheapPasswords.hash(one)
          expect(await cheapPasswords.verify(one, stored)).toBe(true)
          expect(await cheapPasswords.verify(other, stored)).toBe(
            one.normalize('NFC') === other.normalize('NFC'),
          )
        },
      ),
      { numRuns: 50 },
    )
  })

  it('matches a password with composed and with decomposed accents', async () => {
    const stored = await cheapPasswords.hash('caf\u00e9 noir')
    expect(await cheapPasswords.verify('cafe\u0301 noir', stored)).toBe(true)
    expect(await cheapPasswords.verify('cafe noir', stored)).toBe(false)
  })
})

describe('a stored password', () => {
  it.each([
    ['the format of earlier versions', earlierFormat('correct horse')],
    ['bcrypt', hashSync('correct horse', 4)],
    ['bcrypt as htpasswd writes it', hashSync('correct horse', 4).replace(/^\$2b/, '$2y')],
  ])('is accepted in %s', async (_, stored) => {
    expect(await cheapPasswords.verify('correct horse', stored)).toBe(true)
    expect(await cheapPasswords.verify('wrong horse', stored)).toBe(false)
  })

  const salt = 'AAAAAAAAAAAAAAAAAAAAAA'
  const hash = 'A'.repeat(43)
  it.each([
    ['too much memory', `$scrypt$ln=18,r=8,p=1$${salt}$${hash}`],
    ['too much memory in the earlier format', `scrypt$1073741824$8$1$${salt}$${hash}`],
    ['too much time', `$scrypt$ln=17,r=8,p=100$${salt}$${hash}`],
    ['a cost that is not a power of two', `scrypt$1000$8$1$${salt}$${hash}`],
    ['no memory', `$scrypt$ln=0,r=8,p=1$${salt}$${hash}`],
    ['no blocks', `$scrypt$ln=4,r=0,p=1$${salt}$${hash}`],
    ['a hash so short that many passwords match', `$scrypt$ln=4,r=8,p=1$${salt}$AAAA`],
    ['a long hash', `$scrypt$ln=4,r=8,p=1$${salt}$${'A'.repeat(100_000)}`],
    ['bcrypt of a cost that takes days', `$2b$31$${'A'.repeat(53)}`],
    ['another scheme', '$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA'],
    ['no content', ''],
  ])('with %s matches no password, and its cost is not spent', async (_, stored) => {
    const { passwords, costs } = recordingPasswords()
    expect(await passwords.verify('', stored)).toBe(false)
    expect(costs).toEqual([PRODUCTION_WORK])
  })
})

describe('a verification', () => {
  it.each([
    ['no account', undefined],
    ['bcrypt of a low cost', hashSync('correct horse', 4)],
    ['scrypt of a lower cost', earlierFormat('correct horse')],
    ['scrypt of the production cost', `$scrypt$ln=15,r=8,p=3$c2FsdA$${'A'.repeat(43)}`],
  ])('computes exactly one hash of the production cost for %s', async (_, stored) => {
    const { passwords, costs } = recordingPasswords()
    await passwords.verify('correct horse', stored)
    expect(costs.filter(cost => cost >= PRODUCTION_WORK)).toEqual([PRODUCTION_WORK])
  })
})
