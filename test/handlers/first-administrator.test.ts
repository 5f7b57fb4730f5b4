import { beforeEach, describe, expect, it } from 'vitest'
import { Accounts } from '../../lambda/auth/identity/accounts.ts'
import type { ResourceEvent } from '../../lambda/aws/custom-resource.ts'
import { createHandler } from '../../lambda/handlers/first-administrator.ts'
import { basic, openGuarded } from '../support/auth.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { cheapPasswords } from '../support/passwords.ts'

const PASSWORD = 'generatedBySecretsManager'

let table: MemoryTable
let accounts: Accounts
let responses: { Status: string; Reason?: string; PhysicalResourceId: string }[]
beforeEach(() => {
  table = new MemoryTable()
  accounts = new Accounts({ table, clock: Date.now, passwords: cheapPasswords })
  responses = []
})

async function send(
  RequestType: ResourceEvent['RequestType'],
  password: () => Promise<string> = async () => PASSWORD,
): Promise<void> {
  const handle = createHandler({
    table,
    password,
    passwords: cheapPasswords,
    respond: async (_, body) => void responses.push(JSON.parse(body)),
  })
  await handle({
    RequestType,
    ResourceType: 'Custom::FirstAdministrator',
    ResourceProperties: {},
    ...{ ResponseURL: 'https://responses', StackId: 's', RequestId: 'r', LogicalResourceId: 'Account' },
  })
}

describe('the first administrator', () => {
  it('is created with the generated password', async () => {
    await send('Create')
    expect(responses).toMatchObject([{ Status: 'SUCCESS', PhysicalResourceId: 'admin' }])
    const guarded = await openGuarded({ table })
    const me = await guarded.as(basic('admin', PASSWORD), 'GET', '/api/me')
    expect(me.json).toMatchObject({ id: 'user:admin', admin: true })
  })

  it.each(['Update', 'Delete'] as const)('is not created by %s when no accounts exist', async request => {
    await send(request)
    expect(responses).toMatchObject([{ Status: 'SUCCESS', PhysicalResourceId: 'admin' }])
    expect(await accounts.some()).toBe(false)
  })

  it('is created once by repeated events', async () => {
    await send('Create')
    await send('Create', () => Promise.reject(new Error('the password must not be read again')))
    expect(responses.map(({ Status }) => Status)).toEqual(['SUCCESS', 'SUCCESS'])
    expect(await accounts.list('user')).toHaveLength(1)
  })

  it('is created once by concurrent events', async () => {
    await Promise.all([send('Create'), send('Create')])
    expect(responses.map(({ Status }) => Status)).toEqual(['SUCCESS', 'SUCCESS'])
    expect(await accounts.list('user')).toHaveLength(1)
  })

  it('is not created when accounts exist', async () => {
    await accounts.addUser('ann', { password: 'correct horse' })
    await send('Create')
    expect((await accounts.list('user')).map(({ name }) => name)).toEqual(['ann'])
  })

  it.each(['Update', 'Delete'] as const)('is not changed by %s', async request => {
    await send('Create')
    await accounts.changeUser('admin', { admin: false })
    await send(request)
    expect(await accounts.list('user')).toMatchObject([{ name: 'admin', admin: false }])
  })

  it('is reported as failed when the password cannot be read, without the password', async () => {
    await send('Create', () => Promise.reject(new Error('not allowed')))
    expect(responses).toMatchObject([{ Status: 'FAILED', Reason: 'not allowed' }])
    expect(JSON.stringify(responses)).not.toContain(PASSWORD)
  })
})
