/**
 * AWS Regions with an STS endpoint, by the domain of the endpoint. A list and not a pattern: a request to a Region that
 * does not exist would fail as an internal error.
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

/** The endpoint of clients without a Region. It is in us-east-1. */
const GLOBAL_HOST = 'sts.amazonaws.com'

const HOSTS = new Set([
  GLOBAL_HOST,
  ...Object.entries(REGIONS).flatMap(([domain, regions]) => regions.map(region => `sts.${region}.${domain}`)),
])

/** Returns whether a host is an STS endpoint, to which a presigned request may be sent. */
export function isStsHost(host: string): boolean {
  return HOSTS.has(host)
}

/** The STS endpoint of a Region. @returns undefined for an unknown Region */
export function stsHostOf(region: string): string | undefined {
  const found = Object.entries(REGIONS).find(([, regions]) => regions.includes(region))
  return found && `sts.${region}.${found[0]}`
}
