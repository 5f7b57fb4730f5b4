import { expect, it } from 'vitest'
import { hashPassword, isPassword } from '../../lambda/auth/passwords.ts'

it('takes a password for the same in whichever way a keyboard writes its accents', async () => {
  const kept = await hashPassword('caf\u00e9 noir')
  expect(await isPassword('cafe\u0301 noir', kept)).toBe(true)
  expect(await isPassword('cafe noir', kept)).toBe(false)
})
