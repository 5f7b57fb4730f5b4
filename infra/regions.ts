import { RegionInfo } from 'aws-cdk-lib/region-info'
import { readAmis } from './amis.ts'
import { CLOUDFRONT_LISTS } from './constructs/cloudfront-lists.ts'
import { type Settings, SettingsError } from './settings.ts'

/** Partitions without CloudFront Functions and KeyValueStores, as CloudFormation's resource types of their regions show. */
const WITHOUT_EDGE = /^aws-(cn|us-gov|iso)/

/**
 * Refuses a region in which the stack cannot work, before anything is deployed.
 * @param region the region of the deployment, as the CDK knows it. `undefined`: unknown, for example without AWS credentials
 * @throws {SettingsError} that names the region and the settings that help
 */
export function checkRegion(region: string | undefined, settings: Settings): void {
  if (region === undefined) return
  const { partition } = RegionInfo.get(region)
  if (partition !== undefined && WITHOUT_EDGE.test(partition))
    throw new SettingsError(
      `region ${region} is in the partition ${partition}, which lacks CloudFront Functions; deploy to a region of the partition aws`,
    )
  const { relay, relayPrefixList, relayAmi } = settings
  if (relay === 'off') return
  if (relayPrefixList === undefined && CLOUDFRONT_LISTS[region] === undefined)
    throw new SettingsError(
      `setting relayPrefixList is missing; in region ${region} it must be the id of the prefix list com.amazonaws.global.cloudfront.origin-facing; or set relay to off`,
    )
  if (relay !== 'fargate' && relayAmi === undefined && readAmis().regions[region] === undefined)
    throw new SettingsError(
      `setting relayAmi is missing; in region ${region} it must be the id of an image of Amazon Linux 2023 for arm64; or set relay to fargate or off`,
    )
}
