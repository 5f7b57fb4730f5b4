import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { readSettings, SettingsError } from '../../infra/settings.ts'

const CERTIFICATE = 'arn:aws:acm:us-east-1:123456789012:certificate/0a1b'

describe('Settings', () => {
  it('have defaults', () => {
    expect(readSettings({})).toEqual({
      name: 'longshore',
      pull: 's3',
      auth: 'on',
      firstAdministrator: 'on',
      awsAccounts: 'own',
      issuers: [],
      relay: 'auto',
      relayInstance: 't4g.small',
      relayIdleMinutes: 15,
      relayCpu: 512,
      relayMemory: 1024,
      relayMin: 1,
      relayMax: 4,
      retain: 'on',
      graceHours: 24,
      logRetentionDays: 30,
      memory: 1024,
      requestsPerSecond: 1000,
      reserveCollector: 'off',
      priceClass: 'all',
      secretGeneration: '1',
      corsOrigins: [],
      tags: {},
    })
  })

  it('come from the block in cdk.json, and from the command line, which wins', () => {
    const settings = readSettings({ longshore: { pull: 'edge', memory: 512 }, memory: '2048' })
    expect(settings).toMatchObject({ pull: 'edge', memory: 2048 })
  })

  it('take the former name of the Fargate relay', () => {
    expect(readSettings({ relay: 'on' }).relay).toBe('fargate')
  })

  it.each(['t4g.micro', 'c8g.medium', 'm7gd.xlarge', 'r6g.16xlarge', 'im4gn.large'])(
    'take the arm64 instance type %s',
    relayInstance => {
      expect(readSettings({ relayInstance })).toMatchObject({ relayInstance })
    },
  )

  it('take patterns of sparse repositories', () => {
    expect(readSettings({ sparse: 'mirror/**,cache/*' }).sparse).toBe('mirror/**,cache/*')
    expect(() => readSettings({ sparse: 'Mirror' })).toThrow('repository patterns separated by commas')
  })

  it('may be among context keys of the CDK, which are ignored', () => {
    expect(() => readSettings({ 'aws:cdk:toolkit': 1, '@aws-cdk/aws-s3:some-flag': true })).not.toThrow()
  })

  it('may contain lists and pairs as text, and tags as an object', () => {
    expect(readSettings({ tags: 'owner=me,formula=a=b', relayZones: 'eu-west-1a,eu-west-1b' })).toMatchObject(
      {
        tags: { owner: 'me', formula: 'a=b' },
        relayZones: ['eu-west-1a', 'eu-west-1b'],
      },
    )
    expect(readSettings({ longshore: { tags: { owner: 'me' } } }).tags).toEqual({ owner: 'me' })
  })

  it('of the cdk.json in this repository are valid', () => {
    const { context } = JSON.parse(readFileSync('cdk.json', 'utf8'))
    expect(() => readSettings(context)).not.toThrow()
  })
})

describe('A setting that is not allowed is refused in one line that names it and what is:', () => {
  it.each<[Record<string, unknown>, RegExp]>([
    [
      { pul: 'edge' },
      /^there is no setting pul; there are name, pull, auth, firstAdministrator, awsAccounts, issuers, relay, /,
    ],
    [
      { awsAccounts: '1234' },
      /^setting awsAccounts is "1234"; allowed: own, off, or account ids separated by commas$/,
    ],
    [{ issuers: '[{}]' }, /^setting issuers is "\[{}\]"; allowed: a list of issuers; 0.name: /],
    [{ issuers: 'ci' }, /^setting issuers is "ci"; allowed: a list of issuers; /],
    [{ longshore: { relays: 'on' } }, /^there is no setting relays; there are /],
    [{ longshore: 'on' }, /^the block `longshore` of the context must be an object$/],
    [{ name: 'My_Registry' }, /^setting name is "My_Registry"; allowed: at most 28 of a-z, 0-9 and -/],
    [{ pull: 'cdn' }, /^setting pull is "cdn"; allowed: s3, edge$/],
    [{ relay: true }, /^setting relay is true; allowed: auto, always, fargate, off, on$/],
    [{ relayInstance: 't3.small' }, /^setting relayInstance is "t3.small"; allowed: an arm64 instance type/],
    [{ relayInstance: 't4g.nano' }, /^setting relayInstance is "t4g.nano"; allowed: an arm64 instance type/],
    [{ relayIdleMinutes: 5 }, /^setting relayIdleMinutes is 5; allowed: a whole number from 15 to 1440$/],
    [{ relayAmi: 'latest' }, /^setting relayAmi is "latest"; allowed: the id of an image, e.g. ami-/],
    [{ relayCpu: 300 }, /^setting relayCpu is 300; allowed: 256, 512, 1024, 2048, 4096$/],
    [
      { relayMemory: 5000 },
      /^setting relayMemory is 5000; allowed with relayCpu 512: 1024, 2048, 3072, 4096$/,
    ],
    [{ relayMin: 3, relayMax: 2 }, /^setting relayMax is 2; allowed: no less than relayMin, 3$/],
    [{ relayZones: 'eu-west' }, /^setting relayZones is "eu-west"; allowed: one to three availability zones/],
    [
      { relay: 'fargate', relayZones: 'eu-west-1a' },
      /^setting relayZones is "eu-west-1a"; allowed with relay fargate: two or three availability zones$/,
    ],
    [{ relayPrefixList: 'list' }, /^setting relayPrefixList is "list"; allowed: the id of a prefix list/],
    [
      { domain: 'https://registry.example.com' },
      /^setting domain is "https:.*"; allowed: a domain in lower case/,
    ],
    [{ domain: 'registry.example.com' }, /^setting certificate is missing; with domain it must be/],
    [{ certificate: CERTIFICATE }, /^setting domain is missing; with certificate it must be/],
    [{ zone: 'Z0123456789ABC' }, /^setting domain is missing; with zone it must be/],
    [
      { domain: 'registry.example.com', certificate: CERTIFICATE.replace('us-east-1', 'eu-west-1') },
      /^setting certificate is ".*"; allowed: the ARN of an ACM certificate in us-east-1$/,
    ],
    [{ retain: 'no' }, /^setting retain is "no"; allowed: on, off$/],
    [{ graceHours: '1.5' }, /^setting graceHours is "1.5"; allowed: a whole number from 1 to 720$/],
    [{ logRetentionDays: 8 }, /^setting logRetentionDays is 8; allowed: 1, 3, 5, 7, /],
    [{ corsOrigins: '*' }, /^setting corsOrigins is "\*"; allowed: at most 10 origins/],
    [{ memory: 128 }, /^setting memory is 128; allowed: a whole number from 256 to 10240$/],
    [{ priceClass: 300 }, /^setting priceClass is 300; allowed: 100, 200, all$/],
    [{ tags: 'owner' }, /^setting tags is "owner"; allowed: tags as key=value,key=value/],
    [{ tags: { 'aws:owner': 'me' } }, /^setting tags is \{"aws:owner":"me"\}; allowed: tags as/],
  ])('%j', (context, message) => {
    expect(() => readSettings(context)).toThrow(SettingsError)
    expect(() => readSettings(context)).toThrow(message)
    expect(() => readSettings(context)).not.toThrow(/\n/)
  })
})
