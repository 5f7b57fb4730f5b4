import { describe, expect, it } from 'vitest'
import { Accounts } from '../../../lambda/auth/identity/accounts.ts'
import type { FederatedLogin } from '../../../lambda/auth/identity/federated/login.ts'
import { LoginLimits } from '../../../lambda/auth/identity/login-limits.ts'
import { Logins } from '../../../lambda/auth/identity/logins.ts'
import { Keyring } from '../../../lambda/auth/tokens/keyring.ts'
import { RegistryError } from '../../../lambda/protocol/errors.ts'
import { newKey } from '../../support/auth.ts'
import { MemoryTable } from '../../support/memory-table.ts'
import { cheapPasswords } from '../../support/passwords.ts'

const PASSWORD = 'correct horse'
const GRANTS = [{ may: ['pull'], on: ['**'] }]

/** Logins on an empty table. Time stands still until a test sets `clock.now`. */
function openLogins(...federated: FederatedLogin[]) {
  const table = new MemoryTable()
  const clock = { now: 0 }
  const parts = { table, clock: () => clock.now }
  const accounts = new Accounts({ ...parts, passwords: cheapPasswords })
  const keyring = new Keyring([newKey()])
  const limits = new LoginLimits({ ...parts, keyring: () => keyring })
  const logins = new Logins({ ...parts, accounts, passwords: cheapPasswords, limits, federated })
  const logIn = (name: string, password: string, context = {}) =>
    logins.byPassword({ name, password }, { registry: 'registry.example', address: '192.0.2.1', ...context })
  return { table, clock, accounts, limits, logIn }
}

/** Stops the next read of a table after the row was read. `isReached` resolves when that has happened. */
function pauseNextRead(table: MemoryTable): { isReached: Promise<void>; resume: () => void } {
  const [reached, resumed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const get = table.get.bind(table)
  table.get = async key => {
    table.get = get
    const row = await get(key)
    reached.resolve()
    await resumed.promise
    return row as never
  }
  return { isReached: reached.promise, resume: resumed.resolve }
}

describe('a successful login', () => {
  it('is cached only for the registry that the password was sent to', async () => {
    const subject = { kind: 'role', arn: 'arn:aws:iam::1:role/a', account: '1', session: 's' } as const
    const { logIn } = openLogins({
      username: 'aws',
      async login(_, registry) {
        if (registry === 'one.example') return subject
        throw new RegistryError('UNAUTHORIZED')
      },
    })
    const logInAt = (registry: string) => logIn('aws', 'signed', { registry })
    expect((await logInAt('one.example')).subject).toEqual(subject)
    await expect(logInAt('two.example')).rejects.toThrow(RegistryError)
    expect((await logInAt('one.example')).subject).toEqual(subject)
  })

  it('stays cached during a flood of failed logins', async () => {
    const { accounts, limits, logIn } = openLogins()
    await accounts.addUser('ann', { password: PASSWORD })
    let verified = 0
    const attempt = limits.attempt.bind(limits)
    limits.attempt = (...login) => {
      verified++
      return attempt(...login)
    }
    await logIn('ann', PASSWORD)
    for (let i = 0; i < 1_001; i++)
      await logIn(`user${i}`, PASSWORD, { address: `198.51.100.${i % 250}` }).catch(() => {})
    const before = verified
    await logIn('ann', PASSWORD)
    expect(verified).toBe(before)
  })

  it('is not reused for another division of the same characters into name and password', async () => {
    const { accounts, logIn } = openLogins()
    await accounts.addUser('ann', { password: PASSWORD })
    await logIn('ann', PASSWORD)
    await expect(logIn('annc', 'orrect horse')).rejects.toThrow('name or password is wrong')
  })
})

describe('a login that is verified while its account is changed', () => {
  it.each<[string, (accounts: Accounts) => Promise<unknown>, string]>([
    ['gets a new password', accounts => accounts.changeUser('ann', { password: 'battery staple' }), 'wrong'],
    ['is disabled', accounts => accounts.changeUser('ann', { disabled: true }), 'disabled'],
    ['is removed', accounts => accounts.remove('ann', 'user'), 'wrong'],
  ])('is not cached if the user %s', async (_, change, message) => {
    const { table, accounts, logIn } = openLogins()
    await accounts.addUser('ann', { password: PASSWORD })
    const read = pauseNextRead(table)
    const login = logIn('ann', PASSWORD)
    await read.isReached
    await change(accounts)
    read.resume()
    await login
    await expect(logIn('ann', PASSWORD)).rejects.toThrow(message)
  })

  it('is not cached if the robot gets a new key', async () => {
    const { table, accounts, logIn } = openLogins()
    const { key } = await accounts.addRobot('ci', { grants: GRANTS })
    const read = pauseNextRead(table)
    const login = logIn('ci', key)
    await read.isReached
    await accounts.renewKey('ci')
    read.resume()
    await login
    await expect(logIn('ci', key)).rejects.toThrow('name or password is wrong')
  })

  it('is cached if another account is changed', async () => {
    const { table, accounts, logIn } = openLogins()
    for (const name of ['ann', 'bob']) await accounts.addUser(name, { password: PASSWORD })
    const read = pauseNextRead(table)
    const login = logIn('ann', PASSWORD)
    await read.isReached
    await accounts.changeUser('bob', { disabled: true })
    read.resume()
    await login
    table.get = () => Promise.reject(new Error('the table was read'))
    expect((await logIn('ann', PASSWORD)).subject).toMatchObject({ name: 'ann' })
  })
})

describe('a failed login', () => {
  it.each([
    ['a wrong password', 'ann', 'wrong', 'name or password is wrong'],
    ['an unknown name', 'nobody', PASSWORD, 'name or password is wrong'],
    ['the right password of a disabled account', 'ann', PASSWORD, 'the account is disabled'],
    ['a wrong key of an expired robot', 'ci', 'lsk_wrong', 'name or password is wrong'],
    ['the right key of an expired robot', 'ci', 'its key', 'the key has expired'],
    ['a federated login that is not enabled', 'aws', 'signed', 'logins as aws are not enabled'],
  ])('with %s is rejected with its reason', async (_, name, password, message) => {
    const { accounts, clock, logIn } = openLogins()
    await accounts.addUser('ann', { password: PASSWORD })
    await accounts.changeUser('ann', { disabled: true })
    const { key } = await accounts.addRobot('ci', { grants: GRANTS, expires: 1 })
    clock.now = 1
    const login = logIn(name, password === 'its key' ? key : password)
    await expect(login).rejects.toMatchObject({ code: 'UNAUTHORIZED', message })
  })

  it('is verified again when its account was added, changed or removed in the same process', async () => {
    const { accounts, logIn } = openLogins()
    await expect(logIn('ann', PASSWORD)).rejects.toThrow(RegistryError)
    await accounts.addUser('ann', { password: PASSWORD })
    await expect(logIn('ann', PASSWORD)).resolves.toBeDefined()
    await expect(logIn('ann', 'battery staple')).rejects.toThrow(RegistryError)
    await accounts.changeUser('ann', { password: 'battery staple' })
    await expect(logIn('ann', 'battery staple')).resolves.toBeDefined()
    await expect(logIn('ann', PASSWORD)).rejects.toThrow(RegistryError)
    await accounts.remove('ann', 'user')
    await expect(logIn('ann', 'battery staple')).rejects.toThrow(RegistryError)
  })
})
