import { beforeEach, describe, expect, it } from 'vitest'
import { Accounts } from '../../lambda/auth/identity/accounts.ts'
import type { ResourceEvent } from '../../lambda/aws/custom-resource.ts'
import { createHandler } from '../../lambda/handlers/first-administrator.ts'
import { basic, openGuarded } from '../support/auth.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { cheapPasswords } from '../support/passwords.ts'

const PASSWORD = 'oneThatSecretsManagerHasGenerated'

let table: MemoryTable
let accounts: Accounts
let answers: { Status: string; Reason?: string; PhysicalResourceId: string }[]
beforeEach(() => {
  table = new MemoryTable()
  accounts = new Accounts({ table, clock: Date.now, passwords: cheapPasswords })
  answers = []
})

async function tell(
  RequestType: ResourceEvent['RequestType'],
  password: () => Promise<string> = async () => PASSWORD,
): Promise<void> {
  const handle = createHandler({
    table,
    password,
    passwords: cheapPasswords,
    answer: async (_, body) => void answers.push(JSON.parse(body)),
  })
  await handle({
    RequestType,
    ResourceType: 'Custom::FirstAdministrator',
    ResourceProperties: {},
    ...{ ResponseURL: 'https://answers', StackId: 's', RequestId: 'r', LogicalResourceId: 'Account' },
  })
}

describe('the first administrator', () => {
  it('is made with the password that was generated', async () => {
    await tell('Create')
    expect(answers).toMatchObject([{ Status: 'SUCCESS', PhysicalResourceId: 'admin' }])
    const guarded = await openGuarded({ table })
    const me = await guarded.as(basic('admin', PASSWORD), 'GET', '/api/me')
    expect(me.json).toMatchObject({ id: 'user:admin', admin: true })
  })

  it.each(['Update', 'Delete'] as const)(
    'is not made by %s, when there is nobody any more',
    async request => {
      await tell(request)
      expect(answers).toMatchObject([{ Status: 'SUCCESS', PhysicalResourceId: 'admin' }])
      expect(await accounts.some()).toBe(false)
    },
  )

  it('is made once, however often it is asked for', async () => {
    await tell('Create')
    await tell('Create', () => Promise.reject(new Error('nobody may ask')))
    expect(answers.map(({ Status }) => Status)).toEqual(['SUCCESS', 'SUCCESS'])
    expect(await accounts.list('user')).toHaveLength(1)
  })

  it('is made once when it is asked for twice at the same time', async () => {
    await Promise.all([tell('Create'), tell('Create')])
    expect(answers.map(({ Status }) => Status)).toEqual(['SUCCESS', 'SUCCESS'])
    expect(await accounts.list('user')).toHaveLength(1)
  })

  it('is not made where there are accounts', async () => {
    await accounts.addUser('ann', { password: 'correct horse' })
    await tell('Create')
    expect((await accounts.list('user')).map(({ name }) => name)).toEqual(['ann'])
  })

  it.each(['Update', 'Delete'] as const)('is left alone by %s', async request => {
    await tell('Create')
    await accounts.changeUser('admin', { admin: false })
    await tell(request)
    expect(await accounts.list('user')).toMatchObject([{ name: 'admin', admin: false }])
  })

  it('is told to be missing when there is no password to be had, without a word of it', async () => {
    await tell('Create', () => Promise.reject(new Error('not allowed')))
    expect(answers).toMatchObject([{ Status: 'FAILED', Reason: 'not allowed' }])
    expect(JSON.stringify(answers)).not.toContain(PASSWORD)
  })
})
