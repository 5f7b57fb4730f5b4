/**
 * Regions with a trusted STS endpoint, by the domain of the endpoint. A list, not a pattern: a request to a region that does not exist
 * would fail as an internal error.
 */
const REGIONS: Readonly<Record<string, readonly string[]>> = {
  'amazonaws.com': [
    ...['af-south-1', 'ap-east-1', 'ap-east-2', 'ap-northeast-1', 'ap-northeast-2', 'ap-northeast-3'],
    ...['ap-south-1', 'ap-south-2', 'ap-southeast-1', 'ap-southeast-2', 'ap-southeast-3', 'ap-southeast-4'],
    ...['ap-southeast-5', 'ap-southeast-6', 'ap-southeast-7', 'ca-central-1', 'ca-west-1', 'eu-central-1'],
    ...['eu-central-2', 'eu-north-1', 'eu-south-1', 'eu-south-2', 'eu-west-1', 'eu-west-2', 'eu-west-3'],
    ...['il-central-1', 'me-central-1', 'me-south-1', 'me-west-1', 'mx-central-1', 'sa-east-1', 'us-east-1'],
    ...['us-east-2', 'us-gov-east-1', 'us-gov-west-1', 'us-west-1', 'us-west-2'],
  ],
  'amazonaws.com.cn': ['cn-north-1', 'cn-northwest-1'],
  'amazonaws.eu': ['eusc-de-east-1'],
}

/** The endpoint for clients without a region; it is in us-east-1. */
const GLOBAL = 'sts.amazonaws.com'

const HOSTS = new Set([
  GLOBAL,
  ...Object.entries(REGIONS).flatMap(([domain, regions]) => regions.map(region => `sts.${region}.${domain}`)),
])

export function isStsHost(host: string): boolean {
  return HOSTS.has(host)
}

/** @returns undefined for an unknown region */
export function stsHostOf(region: string): string | undefined {
  const found = Object.entries(REGIONS).find(([, regions]) => regions.includes(region))
  return found && `sts.${region}.${found[0]}`
}
