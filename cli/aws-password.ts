import { formatUrl } from '@aws-sdk/core/util'
import { SignatureV4 } from '@smithy/signature-v4'
import {
  CALLER_IDENTITY_QUERY,
  MAX_LIFETIME_SECONDS,
  REGISTRY_HEADER,
} from '../lambda/auth/identity/federated/presigned-identity.ts'
import { stsHostOf } from '../lambda/auth/identity/federated/sts-hosts.ts'
import { type Credentials, Sha256 } from '../lambda/store/shared/aws-signing.ts'
import { CliError } from './cli-error.ts'

interface Signing {
  /** Host of the registry that the password is for. It is not valid for another one. */
  readonly registry: string
  readonly region: string
  readonly credentials: Credentials
  readonly now: Date
}

/**
 * Creates a password for `docker login -u aws`: a presigned GetCallerIdentity request to STS, which reveals the
 * identity of its signer. It is valid for 15 minutes.
 * @throws {CliError} for a Region whose STS endpoint a registry would not accept
 */
export async function awsPassword({ registry, region, credentials, now }: Signing): Promise<string> {
  const hostname = stsHostOf(region)
  if (!hostname)
    throw new CliError(
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
  return formatUrl(await signer.presign(request, { signingDate: now, expiresIn: MAX_LIFETIME_SECONDS }))
}

/**
 * Finds AWS credentials as the AWS SDK and CLI do: in the environment, profiles, SSO, containers and instances.
 * @throws {CliError} if there are none
 */
export async function findCredentials(): Promise<{ credentials: Credentials; region: string }> {
  const { DynamoDBClient } = await import('@aws-sdk/client-dynamodb')
  const { config } = new DynamoDBClient()
  try {
    return { credentials: await config.credentials(), region: await config.region().catch(() => 'us-east-1') }
  } catch (error) {
    throw new CliError(`no AWS credentials were found: ${(error as Error).message}`)
  }
}
