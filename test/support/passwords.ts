import { Passwords } from '../../lambda/auth/identity/passwords.ts'

/** Hashes at less than a thousandth of the production cost, so that tests with many logins are fast. */
export const cheapPasswords = new Passwords({ cost: { N: 2 ** 4, r: 8, p: 1 } })
