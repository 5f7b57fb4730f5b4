import { formatUrl } from '@aws-sdk/core/util'
import { SignatureV4 } from '@smithy/signature-v4'
import {
  CALLER_IDENTITY_QUERY,
  MAX_LIFETIME,
  REGISTRY_HEADER,
} from '../lambda/auth/identity/federated/presigned-identity.ts'
import { stsHostOf } from '../lambda/auth/identity/federated/sts-hosts.ts'
import { type Credentials, Sha256 } from '../lambda/store/shared/aws-signing.ts'
import { CliError as Failure } from './cli-error.ts'

interface Signing {
  /** Host of the registry that the password is for. It is worth nothing at another one. */
  readonly registry: string
  readonly region: string
  readonly credentials: Credentials
  readonly now: Date
}

/**
 * The password for `docker login -u aws`: a presigned GetCallerIdentity request of STS, which proves who signed it. It is
 * valid for 15 minutes.
 * @throws {Failure} for a region whose STS the registries do not know
 */
export async function awsPassword({ registry, region, credentials, now }: Signing): Promise<string> {
  const hostname = stsHostOf(region)
  if (!hostname)
    throw new Failure(
      `AWS_REGION must be a region that has STS, such as us-east-1: "${region}" is unknown; set another region`,
    )
  const signer = new SignatureV4({ service: 'sts', region, credentials, sha256: Sha256 })
  const request = {
    method: 'GET',
    protocol: 'https:',
    hostname,
    path: '/',
    headers: { host: hostname, [REGISTRY_HEADER]: registry },
    query: { ...CALLER_IDENTITY_QUERY },
  }
  return formatUrl(await signer.presign(request, { signingDate: now, expiresIn: MAX_LIFETIME }))
}

/** By the ways of the AWS SDK and CLI: environment, profiles, SSO, containers, instances. @throws {Failure} where there are none */
export async function findCredentials(): Promise<{ credentials: Credentials; region: string }> {
  const { DynamoDBClient } = await import('@aws-sdk/client-dynamodb')
  const { config } = new DynamoDBClient()
  try {
    return { credentials: await config.credentials(), region: await config.region().catch(() => 'us-east-1') }
  } catch (error) {
    throw new Failure(`no credentials of AWS are found: ${(error as Error).message}`)
  }
}
