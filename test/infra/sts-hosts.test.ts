import { RegionInfo } from 'aws-cdk-lib/region-info'
import { expect, it } from 'vitest'
import { isStsHost, stsHostOf } from '../../lambda/auth/identity/federated/sts-hosts.ts'

/**
 * Whether a Region is in a partition without a connection to the internet. The registry does not support these
 * partitions.
 */
const isIsolated = (region: RegionInfo) => /iso/.test(region.partition ?? '')

it.each(RegionInfo.regions.filter(region => !isIsolated(region)))(
  'the Region $name has an STS host',
  region => {
    expect(stsHostOf(region.name)).toBe(`sts.${region.name}.${region.domainSuffix}`)
    expect(isStsHost(`sts.${region.name}.${region.domainSuffix}`)).toBe(true)
  },
)

it.each(['', 'sts', 'amazonaws.com', 'sts.eu-nowhere-1.amazonaws.com', 'sts.us-east-1.amazonaws.com.cn'])(
  '"%s" is not an STS host',
  host => {
    expect(isStsHost(host)).toBe(false)
  },
)
