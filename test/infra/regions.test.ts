import { describe, expect, it } from 'vitest'
import { checkRegion } from '../../infra/regions.ts'
import { readSettings, SettingsError } from '../../infra/settings.ts'

const check = (region: string | undefined, context = {}) => checkRegion(region, readSettings(context))

describe('A region', () => {
  it.each(['us-east-1', 'eu-central-1', 'ap-southeast-2', 'sa-east-1'])('such as %s is accepted', region => {
    expect(() => check(region)).not.toThrow()
  })

  it('that is not known yet is accepted', () => {
    expect(() => check(undefined)).not.toThrow()
  })

  it.each([
    ['cn-north-1', 'aws-cn'],
    ['us-gov-west-1', 'aws-us-gov'],
    ['us-iso-east-1', 'aws-iso'],
  ])('%s is refused by its partition, with every kind of relay', (region, partition) => {
    for (const relay of ['auto', 'off']) {
      expect(() => check(region, { relay })).toThrow(SettingsError)
      expect(() => check(region, { relay })).toThrow(`region ${region} is in the partition ${partition}`)
    }
  })

  it('without a known prefix list is refused, unless that is given or there is no relay', () => {
    expect(() => check('af-south-1')).toThrow(/^setting relayPrefixList is missing; in region af-south-1 /)
    expect(() => check('af-south-1', { relay: 'fargate' })).toThrow(/^setting relayPrefixList is missing/)
    expect(() => check('af-south-1', { relayPrefixList: 'pl-0123abcd' })).not.toThrow()
    expect(() => check('af-south-1', { relay: 'off' })).not.toThrow()
  })

  it('without a pinned image is refused, unless an image is given or the relay needs none', () => {
    const relayPrefixList = 'pl-0123abcd'
    expect(() => check('me-south-1', { relayPrefixList })).toThrow(
      /^setting relayAmi is missing; in region me-south-1 /,
    )
    expect(() => check('me-south-1', { relayPrefixList, relayAmi: 'ami-0123456789abcdef0' })).not.toThrow()
    expect(() => check('me-south-1', { relayPrefixList, relay: 'fargate' })).not.toThrow()
  })
})
