import { type Issuer, parseIssuers } from '../auth/identity/federated/issuers.ts'
import { isPatternList } from '../auth/policy/glob.ts'

/** What a deployed process is told by its environment. */
export interface AwsConfig {
  readonly table: string
  readonly bucket: string
  readonly region: string
  /** Where clients fetch blobs: from S3 by presigned URLs, or through CloudFront under the registry's own domain. */
  readonly pull: 's3' | 'edge'
  /** Whether anybody must log in. */
  readonly auth: 'on' | 'off'
  /** Ids of the AWS accounts whose roles and users may log in. */
  readonly awsAccounts: readonly string[]
  /** Whose ID tokens are believed. */
  readonly issuers: readonly Issuer[]
  /** The SSM parameter that holds what edge and registry share. */
  readonly secret: string
  /** Patterns of the repositories that take manifests whose blobs or children are absent. */
  readonly sparse: readonly string[]
  /** How long what nothing needs is kept, in milliseconds. */
  readonly grace: number
  /** Comes before every path that clients are told. Empty: they resolve it against the address they used. */
  readonly origin: string
  /** Origins of other sites whose pages may use the registry from a browser. */
  readonly corsOrigins: readonly string[]
  /** Of servers that are not Amazon's. The SDK reads that of DynamoDB itself. */
  readonly s3Endpoint: string | undefined
  readonly ssmEndpoint: string | undefined
  readonly stsEndpoint: string | undefined
}

const HOUR = 60 * 60 * 1000

type Environment = Readonly<Record<string, string | undefined>>

/** @throws {Error} with one line that names the setting and what is wrong with it */
export function readAwsConfig(environment: Environment): AwsConfig {
  const required = (name: string) => environment[name] || wrong(name, 'is not set')
  const pull = environment.LONGSHORE_PULL || 's3'
  if (pull !== 's3' && pull !== 'edge') wrong('LONGSHORE_PULL', 'is neither s3 nor edge')
  const auth = environment.LONGSHORE_AUTH || 'on'
  if (auth !== 'on' && auth !== 'off') wrong('LONGSHORE_AUTH', 'is neither on nor off')
  const hours = Number(environment.LONGSHORE_GRACE_HOURS || 24)
  if (!(hours >= 1 && hours <= 8760)) wrong('LONGSHORE_GRACE_HOURS', 'is not a number from 1 to 8760')
  const origin = environment.LONGSHORE_ORIGIN ?? ''
  if (origin !== '' && !/^https?:\/\/[^/?#@\s]+$/.test(origin))
    wrong('LONGSHORE_ORIGIN', 'is not an origin such as https://registry.example')
  const awsAccounts = (environment.LONGSHORE_AWS_ACCOUNTS ?? '').split(',').filter(Boolean)
  if (!awsAccounts.every(account => /^\d{12}$/.test(account)))
    wrong('LONGSHORE_AWS_ACCOUNTS', 'is not a list of account ids with commas')
  const corsOrigins = (environment.LONGSHORE_CORS_ORIGINS ?? '').split(',').filter(Boolean)
  if (!corsOrigins.every(one => /^https?:\/\/[^/?#@\s]+$/.test(one)))
    wrong('LONGSHORE_CORS_ORIGINS', 'must be origins with commas, such as https://ui.example.com')
  const sparse = environment.LONGSHORE_SPARSE ?? ''
  if (sparse !== '' && !isPatternList(sparse))
    wrong('LONGSHORE_SPARSE', 'is not a list of repository patterns with commas, such as mirror/**,cache/*')
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
    s3Endpoint: environment.AWS_ENDPOINT_URL_S3 || undefined,
    ssmEndpoint: environment.AWS_ENDPOINT_URL_SSM || undefined,
    stsEndpoint: environment.AWS_ENDPOINT_URL_STS || undefined,
  }
}

function issuersFrom(text: string): Issuer[] {
  try {
    return parseIssuers(JSON.parse(text))
  } catch (error) {
    return wrong('LONGSHORE_ISSUERS', `does not read: ${(error as Error).message}`)
  }
}

function wrong(name: string, what: string): never {
  throw new Error(`${name} ${what}`)
}
