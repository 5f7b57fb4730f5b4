import { LONGEST_LIFE, QUESTION, REGISTRY_HEADER } from '../lambda/auth/federated/aws-question.ts'
import { stsHostOf } from '../lambda/auth/federated/sts-hosts.ts'
import { presign } from '../lambda/store/aws-presign.ts'
import { type Credentials, sha256 } from '../lambda/store/aws-signature.ts'
import { Failure } from './failure.ts'

interface Signing {
  /** Host of the registry that the password is for. It is worth nothing at another one. */
  readonly registry: string
  readonly region: string
  readonly credentials: Credentials
  readonly now: Date
}

/**
 * The password for `docker login -u aws`: a request to STS, signed and not sent, which says who signed it. It works for a quarter of an hour.
 * @throws {Failure} for a region without an STS that registries believe
 */
export function awsPassword({ registry, ...by }: Signing): string {
  const host = stsHostOf(by.region)
  if (!host) throw new Failure(`there is no STS known for the region ${by.region}`)
  return presign({
    method: 'GET',
    url: new URL(`https://${host}/`),
    query: QUESTION,
    headers: { [REGISTRY_HEADER]: registry },
    payload: sha256(''),
    service: 'sts',
    seconds: LONGEST_LIFE,
    ...by,
  }).href
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
