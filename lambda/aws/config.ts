import { type Issuer, parseIssuers } from '../auth/identity/federated/issuers.ts'
import { isPatternList } from '../auth/policy/glob.ts'

/** The configuration of a Lambda function or the relay, from its environment variables. */
export interface AwsConfig {
  readonly table: string
  readonly bucket: string
  readonly region: string
  /** Where clients fetch blobs: from S3 by presigned URLs, or through CloudFront under the registry's own domain. */
  readonly pull: 's3' | 'edge'
  /** `off`: every client has full access. */
  readonly auth: 'on' | 'off'
  /** Ids of the AWS accounts whose roles and users may log in. */
  readonly awsAccounts: readonly string[]
  /** Issuers whose ID tokens may log in. */
  readonly issuers: readonly Issuer[]
  /** Name of the SSM parameter with the secrets that the edge and the registry share. */
  readonly secret: string
  /** Patterns of the repositories that accept manifests with missing blobs or children. */
  readonly sparse: readonly string[]
  /** Grace period of unreferenced content, in milliseconds. */
  readonly grace: number
  /**
   * Prefix of the URLs in responses. Empty: responses contain paths, which clients resolve against the address they
   * used.
   */
  readonly origin: string
  /** Origins of other sites whose web pages may use the registry (CORS). */
  readonly corsOrigins: readonly string[]
  /** Id of the relay's instance, if the relay is stopped while idle. */
  readonly relayInstance: string | undefined
  /** Time without a request after which the relay stops, in milliseconds. 0: never. */
  readonly relayIdle: number
  /** Endpoints of emulated services, for tests. The SDK reads the endpoint of DynamoDB from the environment itself. */
  readonly s3Endpoint: string | undefined
  readonly ssmEndpoint: string | undefined
  readonly stsEndpoint: string | undefined
  readonly ec2Endpoint: string | undefined
}

const MINUTE = 60 * 1000
const HOUR = 60 * 60 * 1000

type Environment = Readonly<Record<string, string | undefined>>

/** @throws {Error} whose message names the variable and the values that are allowed */
export function readAwsConfig(environment: Environment): AwsConfig {
  const required = (name: string) => environment[name] || invalid(name, 'must be set')
  const pull = environment.LONGSHORE_PULL || 's3'
  if (pull !== 's3' && pull !== 'edge') invalid('LONGSHORE_PULL', 'must be s3 or edge')
  const auth = environment.LONGSHORE_AUTH || 'on'
  if (auth !== 'on' && auth !== 'off') invalid('LONGSHORE_AUTH', 'must be on or off')
  const hours = Number(environment.LONGSHORE_GRACE_HOURS || 24)
  if (!(hours >= 1 && hours <= 8760)) invalid('LONGSHORE_GRACE_HOURS', 'must be a number from 1 to 8760')
  const origin = environment.LONGSHORE_ORIGIN ?? ''
  if (origin !== '' && !/^https?:\/\/[^/?#@\s]+$/.test(origin))
    invalid('LONGSHORE_ORIGIN', 'must be an origin such as https://registry.example')
  const awsAccounts = (environment.LONGSHORE_AWS_ACCOUNTS ?? '').split(',').filter(Boolean)
  if (!awsAccounts.every(account => /^\d{12}$/.test(account)))
    invalid('LONGSHORE_AWS_ACCOUNTS', 'must be AWS account ids separated by commas')
  const corsOrigins = (environment.LONGSHORE_CORS_ORIGINS ?? '').split(',').filter(Boolean)
  if (!corsOrigins.every(one => /^https?:\/\/[^/?#@\s]+$/.test(one)))
    invalid('LONGSHORE_CORS_ORIGINS', 'must be origins separated by commas, such as https://ui.example.com')
  const sparse = environment.LONGSHORE_SPARSE ?? ''
  if (sparse !== '' && !isPatternList(sparse))
    invalid('LONGSHORE_SPARSE', 'must be repository patterns separated by commas, such as mirror/**,cache/*')
  const idleMinutes = Number(environment.LONGSHORE_RELAY_IDLE_MINUTES || 15)
  if (!(idleMinutes >= 0 && idleMinutes <= 1440))
    invalid('LONGSHORE_RELAY_IDLE_MINUTES', 'must be a number from 0 to 1440')
  return {
    table: required('LONGSHORE_TABLE'),
    bucket: required('LONGSHORE_BUCKET'),
    region: required('AWS_REGION'),
    pull,
    auth,
    awsAccounts,
    issuers: issuersFrom(environment.LONGSHORE_ISSUERS || '[]'),
    secret: required('LONGSHORE_SECRET'),
    grace: hours * HOUR,
    sparse: sparse.split(',').filter(Boolean),
    origin,
    corsOrigins,
    relayInstance: relayInstanceFrom(environment.LONGSHORE_RELAY_INSTANCE),
    relayIdle: idleMinutes * MINUTE,
    s3Endpoint: environment.AWS_ENDPOINT_URL_S3 || undefined,
    ssmEndpoint: environment.AWS_ENDPOINT_URL_SSM || undefined,
    stsEndpoint: environment.AWS_ENDPOINT_URL_STS || undefined,
    ec2Endpoint: environment.AWS_ENDPOINT_URL_EC2 || undefined,
  }
}

function relayInstanceFrom(id = ''): string | undefined {
  if (id === '') return undefined
  return /^i-[0-9a-f]{8,17}$/.test(id)
    ? id
    : invalid('LONGSHORE_RELAY_INSTANCE', 'must be the id of an EC2 instance')
}

function issuersFrom(text: string): Issuer[] {
  try {
    return parseIssuers(JSON.parse(text))
  } catch (error) {
    return invalid('LONGSHORE_ISSUERS', `is invalid: ${(error as Error).message}`)
  }
}

function invalid(name: string, problem: string): never {
  throw new Error(`${name} ${problem}`)
}
