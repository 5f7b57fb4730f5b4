import { RegionInfo } from 'aws-cdk-lib/region-info'
import { expect, it } from 'vitest'
import { isStsHost, stsHostOf } from '../../lambda/auth/identity/federated/sts-hosts.ts'

/** Those without a way to the internet, and so without us. */
const isApart = (region: RegionInfo) => /iso/.test(region.partition ?? '')

it.each(RegionInfo.regions.filter(region => !isApart(region)))('$name has an STS that is known', region => {
  expect(stsHostOf(region.name)).toBe(`sts.${region.name}.${region.domainSuffix}`)
  expect(isStsHost(`sts.${region.name}.${region.domainSuffix}`)).toBe(true)
})

it.each(['', 'sts', 'amazonaws.com', 'sts.eu-nowhere-1.amazonaws.com', 'sts.us-east-1.amazonaws.com.cn'])(
  '"%s" is none',
  host => {
    expect(isStsHost(host)).toBe(false)
  },
)
