import { describe, expect, it } from 'vitest'
import type { TemplateResource } from '../support/resource-schemas.ts'
import { flat, synthesize } from './synthesize.ts'

const SECRET = 'AWS::SecretsManager::Secret'
const ACCOUNT = 'Custom::FirstAdministrator'

describe('The first administrator', () => {
  it('has a password that nobody chose, and that is in no template', () => {
    const [{ Properties, DeletionPolicy } = {} as TemplateResource] = synthesize().all(SECRET)
    expect(Properties).toMatchObject({
      GenerateSecretString: { PasswordLength: 32, ExcludePunctuation: true },
    })
    expect(Properties).not.toHaveProperty('SecretString')
    expect(DeletionPolicy).toBe('Delete')
  })

  it('is made by a function that is told where things are, and no password', () => {
    const made = synthesize()
    expect(made.all(ACCOUNT)).toHaveLength(1)
    expect(flat(made.one(ACCOUNT))).not.toMatch(/resolve:|SecretString/)
  })

  it('logs in by a line that shows the password to nobody', () => {
    const { Outputs = {} } = synthesize().template
    expect(flat(Outputs.FirstLogin?.Value)).toMatch(
      /^aws secretsmanager get-secret-value --region <AWS::Region> --secret-id <FirstAdministratorPassword\w+> --query SecretString --output text \| docker login --username admin --password-stdin </,
    )
  })

  it.each([{ auth: 'off' }, { firstAdministrator: 'off' }])('is not there with %j', settings => {
    const made = synthesize(settings)
    expect([...made.all(SECRET), ...made.all(ACCOUNT)]).toEqual([])
    expect(made.template.Outputs).not.toHaveProperty('FirstLogin')
  })
})
