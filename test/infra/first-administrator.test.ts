import { describe, expect, it } from 'vitest'
import type { TemplateResource } from '../support/resource-schemas.ts'
import { flat, synthesize } from './synthesize.ts'

const SECRET = 'AWS::SecretsManager::Secret'
const ACCOUNT = 'Custom::FirstAdministrator'

describe('The first administrator', () => {
  it('has a generated password that no template contains', () => {
    const [{ Properties, DeletionPolicy } = {} as TemplateResource] = synthesize().all(SECRET)
    expect(Properties).toMatchObject({
      GenerateSecretString: { PasswordLength: 32, ExcludePunctuation: true },
    })
    expect(Properties).not.toHaveProperty('SecretString')
    expect(DeletionPolicy).toBe('Delete')
  })

  it('is created by a function that gets names of resources, and no password', () => {
    const made = synthesize()
    expect(made.all(ACCOUNT)).toHaveLength(1)
    expect(flat(made.one(ACCOUNT))).not.toMatch(/resolve:|SecretString/)
  })

  it('logs in with a command that does not show the password', () => {
    const { Outputs = {} } = synthesize().template
    expect(flat(Outputs.FirstLogin?.Value)).toMatch(
      /^aws secretsmanager get-secret-value --region <AWS::Region> --secret-id <FirstAdministratorPassword\w+> --query SecretString --output text \| docker login --username admin --password-stdin </,
    )
  })

  it.each([{ auth: 'off' }, { firstAdministrator: 'off' }])('does not exist with %j', settings => {
    const made = synthesize(settings)
    expect([...made.all(SECRET), ...made.all(ACCOUNT)]).toEqual([])
    expect(made.template.Outputs).not.toHaveProperty('FirstLogin')
  })
})
