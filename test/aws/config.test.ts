import { describe, expect, it } from 'vitest'
import { readAwsConfig } from '../../lambda/aws/config.ts'

const REQUIRED = {
  AWS_REGION: 'eu-central-1',
  LONGSHORE_TABLE: 'table',
  LONGSHORE_BUCKET: 'bucket',
  LONGSHORE_SECRET: '/longshore/secret',
}

const ISSUER = { name: 'ci', issuer: 'https://ci.example', claims: { repository: 'acme/*' } }

describe('readAwsConfig', () => {
  it('has a default for every setting that is not required', () => {
    expect(readAwsConfig(REQUIRED)).toEqual({
      table: 'table',
      bucket: 'bucket',
      region: 'eu-central-1',
      secret: '/longshore/secret',
      pull: 's3',
      auth: 'on',
      awsAccounts: [],
      issuers: [],
      sparse: [],
      grace: 24 * 60 * 60 * 1000,
      origin: '',
      corsOrigins: [],
      s3Endpoint: undefined,
      ssmEndpoint: undefined,
      stsEndpoint: undefined,
      ec2Endpoint: undefined,
      relayInstance: undefined,
      relayIdle: 15 * 60 * 1000,
    })
  })

  it('reads every setting', () => {
    const optional = {
      LONGSHORE_PULL: 'edge',
      LONGSHORE_GRACE_HOURS: '48',
      LONGSHORE_SPARSE: 'mirror/**,cache/*',
      LONGSHORE_ORIGIN: 'https://registry.example',
      AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9000',
      AWS_ENDPOINT_URL_SSM: 'http://127.0.0.1:9001',
      LONGSHORE_AWS_ACCOUNTS: '123456789012,210987654321',
      LONGSHORE_ISSUERS: JSON.stringify([ISSUER]),
      LONGSHORE_RELAY_INSTANCE: 'i-0123456789abcdef0',
      LONGSHORE_RELAY_IDLE_MINUTES: '5',
    }
    expect(readAwsConfig({ ...REQUIRED, ...optional })).toMatchObject({
      pull: 'edge',
      grace: 48 * 60 * 60 * 1000,
      sparse: ['mirror/**', 'cache/*'],
      origin: 'https://registry.example',
      s3Endpoint: 'http://127.0.0.1:9000',
      ssmEndpoint: 'http://127.0.0.1:9001',
      awsAccounts: ['123456789012', '210987654321'],
      issuers: [ISSUER],
      relayInstance: 'i-0123456789abcdef0',
      relayIdle: 5 * 60 * 1000,
    })
  })

  it.each([
    ['LONGSHORE_RELAY_INSTANCE', 'my-instance', 'must be the id of an EC2 instance'],
    ['LONGSHORE_RELAY_IDLE_MINUTES', 'soon', 'must be a number from 0 to 1440'],
  ])('rejects %s=%s', (name, value, problem) => {
    expect(() => readAwsConfig({ ...REQUIRED, [name]: value })).toThrow(`${name} ${problem}`)
  })

  it.each(Object.keys(REQUIRED))('requires %s', name => {
    expect(() => readAwsConfig({ ...REQUIRED, [name]: undefined })).toThrow(`${name} must be set`)
  })

  it.each([
    ['LONGSHORE_PULL', 'cdn'],
    ['LONGSHORE_AUTH', 'maybe'],
    ['LONGSHORE_AWS_ACCOUNTS', '1234'],
    ['LONGSHORE_SPARSE', 'Mirror/**'],
    ['LONGSHORE_SPARSE', 'mirror/**,'],
    ['LONGSHORE_GRACE_HOURS', '0'],
    ['LONGSHORE_GRACE_HOURS', 'soon'],
    ['LONGSHORE_ORIGIN', 'registry.example'],
    ['LONGSHORE_ORIGIN', 'https://registry.example/path'],
    ['LONGSHORE_ORIGIN', 'https://user@registry.example'],
  ])('rejects %s=%s with one line that names the setting', (name, value) => {
    expect(() => readAwsConfig({ ...REQUIRED, [name]: value })).toThrow(new RegExp(`^${name} must be .*$`))
  })

  it('rejects an invalid list of issuers', () => {
    const read = (issuers: string) => () => readAwsConfig({ ...REQUIRED, LONGSHORE_ISSUERS: issuers })
    expect(read('[{"name":"ci"}]')).toThrow('LONGSHORE_ISSUERS is invalid: 0.issuer')
    expect(read('ci')).toThrow(/^LONGSHORE_ISSUERS is invalid: .*$/)
  })
})
