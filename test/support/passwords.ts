import { Passwords } from '../../lambda/auth/identity/passwords.ts'

/** Hashes at a few thousandths of the production cost, so that tests which log in by the dozen are quick. */
export const cheapPasswords = new Passwords({ cost: { N: 2 ** 4, r: 8, p: 1 } })
