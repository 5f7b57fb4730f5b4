import { expect, it } from 'vitest'
import { Accounts } from '../../../lambda/auth/identity/accounts.ts'
import { LoginLimits } from '../../../lambda/auth/identity/login-limits.ts'
import { Logins } from '../../../lambda/auth/identity/logins.ts'
import { Keyring } from '../../../lambda/auth/tokens/keyring.ts'
import { RegistryError } from '../../../lambda/protocol/errors.ts'
import { newKey } from '../../support/auth.ts'
import { MemoryTable } from '../../support/memory-table.ts'
import { cheapPasswords } from '../../support/passwords.ts'

it('remembers what a password was worth for the registry alone that it was shown to', async () => {
  const table = new MemoryTable()
  const clock = () => 0
  const subject = { kind: 'role', arn: 'arn:aws:iam::1:role/a', account: '1', session: 's' } as const
  const logins = new Logins({
    accounts: new Accounts({ table, clock, passwords: cheapPasswords }),
    passwords: cheapPasswords,
    limits: new LoginLimits({ table, keyring: () => new Keyring([newKey()]), clock }),
    clock,
    federated: [
      {
        username: 'aws',
        async login(_, registry) {
          if (registry === 'one.example') return subject
          throw new RegistryError('UNAUTHORIZED')
        },
      },
    ],
  })
  const show = (registry: string) =>
    logins.byPassword({ name: 'aws', password: 'signed' }, { registry, address: '192.0.2.1' })
  expect((await show('one.example')).subject).toEqual(subject)
  await expect(show('two.example')).rejects.toThrow(RegistryError)
  expect((await show('one.example')).subject).toEqual(subject)
})

it('remembers a right password through a flood of wrong ones', async () => {
  const table = new MemoryTable()
  const clock = () => 0
  const accounts = new Accounts({ table, clock, passwords: cheapPasswords })
  await accounts.addUser('ann', { password: 'correct horse' })
  let verified = 0
  const limits = new LoginLimits({ table, keyring: () => new Keyring([newKey()]), clock })
  const attempt = limits.attempt.bind(limits)
  limits.attempt = (...login) => {
    verified++
    return attempt(...login)
  }
  const logins = new Logins({ accounts, passwords: cheapPasswords, limits, clock, federated: [] })
  const show = (name: string, address: string) =>
    logins.byPassword({ name, password: 'correct horse' }, { registry: 'registry.example', address })
  await show('ann', '192.0.2.1')
  for (let i = 0; i < 1_001; i++) await show(`user${i}`, `198.51.100.${i % 250}`).catch(() => {})
  const before = verified
  await show('ann', '192.0.2.1')
  expect(verified).toBe(before)
})

it('takes no end of a name for the beginning of a password that was right a moment ago', async () => {
  const table = new MemoryTable()
  const clock = () => 0
  const accounts = new Accounts({ table, clock, passwords: cheapPasswords })
  await accounts.addUser('ann', { password: 'correct horse' })
  const limits = new LoginLimits({ table, keyring: () => new Keyring([newKey()]), clock })
  const logins = new Logins({ accounts, passwords: cheapPasswords, limits, clock, federated: [] })
  const show = (name: string, password: string) =>
    logins.byPassword({ name, password }, { registry: 'registry.example', address: '192.0.2.1' })
  await show('ann', 'correct horse')
  await expect(show('annc', 'orrect horse')).rejects.toThrow('name or password is wrong')
})

it.each([
  ['a wrong password', 'ann', 'wrong', 'name or password is wrong'],
  ['nobody', 'nobody', 'correct horse', 'name or password is wrong'],
  ['the right password of a disabled account', 'ann', 'correct horse', 'the account is disabled'],
  ['the wrong key of a robot that expired', 'ci', 'lsk_wrong', 'name or password is wrong'],
  ['the key of a robot that expired', 'ci', 'its key', 'the key has expired'],
  ['a federated login that is not enabled', 'aws', 'signed', 'logins as aws are not enabled'],
])('says to %s what is wrong, and no more', async (_, name, password, message) => {
  const table = new MemoryTable()
  let now = 0
  const clock = () => now
  const accounts = new Accounts({ table, clock, passwords: cheapPasswords })
  await accounts.addUser('ann', { password: 'correct horse' })
  await accounts.changeUser('ann', { disabled: true })
  const { key } = await accounts.addRobot('ci', { grants: [{ may: ['pull'], on: ['**'] }], expires: 1 })
  now = 1
  const limits = new LoginLimits({ table, keyring: () => new Keyring([newKey()]), clock })
  const logins = new Logins({ accounts, passwords: cheapPasswords, limits, clock, federated: [] })
  const login = { name, password: password === 'its key' ? key : password }
  const door = { registry: 'registry.example', address: '192.0.2.1' }
  await expect(logins.byPassword(login, door)).rejects.toMatchObject({ code: 'UNAUTHORIZED', message })
})

it('forgets a wrong login when its account is added, changed or removed through this server', async () => {
  const table = new MemoryTable()
  const clock = () => 0
  const accounts = new Accounts({ table, clock, passwords: cheapPasswords })
  const limits = new LoginLimits({ table, keyring: () => new Keyring([newKey()]), clock })
  const logins = new Logins({ accounts, passwords: cheapPasswords, limits, clock, federated: [] })
  const logIn = (password: string) =>
    logins.byPassword({ name: 'ann', password }, { registry: 'registry.example', address: '192.0.2.1' })
  await expect(logIn('correct horse')).rejects.toThrow(RegistryError)
  await accounts.addUser('ann', { password: 'correct horse' })
  await expect(logIn('correct horse')).resolves.toBeDefined()
  await expect(logIn('battery staple')).rejects.toThrow(RegistryError)
  await accounts.changeUser('ann', { password: 'battery staple' })
  await expect(logIn('battery staple')).resolves.toBeDefined()
  await expect(logIn('correct horse')).rejects.toThrow(RegistryError)
  await accounts.remove('ann', 'user')
  await expect(logIn('battery staple')).rejects.toThrow(RegistryError)
})
