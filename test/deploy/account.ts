import { CloudFrontClient, GetDistributionConfigCommand } from '@aws-sdk/client-cloudfront'
import { CloudFrontKeyValueStoreClient, paginateListKeys } from '@aws-sdk/client-cloudfront-keyvaluestore'
import { DescribeTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda'
import { HeadBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { GetParameterCommand, SSMClient } from '@aws-sdk/client-ssm'
import '@aws-sdk/signature-v4a'
import { parseSecret, type Secret } from '../../lambda/aws/edge-secret/secret.ts'
import type { Ministack } from './ministack.ts'

/** Names of the errors that the services return for a resource that does not exist. */
const ABSENT = /^(NotFound|NoSuch\w+|ParameterNotFound|ResourceNotFoundException|EntityNotFound)$/

/** Reads the resources of the emulated account in one region, to check what a deployment created. */
export class Account {
  readonly dynamo: DynamoDBClient
  readonly s3: S3Client
  readonly #ssm: SSMClient
  readonly #secrets: SecretsManagerClient
  readonly #cloudFront: CloudFrontClient
  readonly #keyValues: CloudFrontKeyValueStoreClient
  readonly #lambda: LambdaClient

  constructor(ministack: Ministack, region: string) {
    const settings = ministack.client(region)
    this.dynamo = new DynamoDBClient(settings)
    this.s3 = new S3Client({ ...settings, forcePathStyle: true })
    this.#ssm = new SSMClient(settings)
    this.#secrets = new SecretsManagerClient(settings)
    this.#cloudFront = new CloudFrontClient(settings)
    const endpoint = `https://cloudfront-kvs.localhost:${ministack.port}`
    this.#keyValues = new CloudFrontKeyValueStoreClient({ ...settings, endpoint })
    this.#lambda = new LambdaClient(settings)
  }

  /** The secrets that edge and API share. */
  async edgeSecret(parameter: string): Promise<Secret> {
    const command = new GetParameterCommand({ Name: parameter, WithDecryption: true })
    const { Parameter } = await this.#ssm.send(command)
    return parseSecret(Parameter?.Value ?? '')
  }

  async secretValue(SecretId: string): Promise<string> {
    const { SecretString } = await this.#secrets.send(new GetSecretValueCommand({ SecretId }))
    return SecretString ?? ''
  }

  async keyValues(KvsARN: string): Promise<Record<string, string>> {
    const items: Record<string, string> = {}
    for await (const { Items = [] } of paginateListKeys({ client: this.#keyValues }, { KvsARN }))
      for (const { Key, Value } of Items) if (Key) items[Key] = Value ?? ''
    return items
  }

  async distribution(Id: string) {
    const { DistributionConfig } = await this.#cloudFront.send(new GetDistributionConfigCommand({ Id }))
    return DistributionConfig
  }

  /** Runs a function to its end. @returns the kind of error, or `undefined` when it succeeded */
  async invoke(FunctionName: string, event: unknown): Promise<string | undefined> {
    const Payload = Buffer.from(JSON.stringify(event))
    return (await this.#lambda.send(new InvokeCommand({ FunctionName, Payload }))).FunctionError
  }

  async table(TableName: string) {
    return (await this.dynamo.send(new DescribeTableCommand({ TableName }))).Table
  }

  hasTable(name: string): Promise<boolean> {
    return exists(this.table(name))
  }

  hasBucket(Bucket: string): Promise<boolean> {
    return exists(this.s3.send(new HeadBucketCommand({ Bucket })))
  }

  hasParameter(name: string): Promise<boolean> {
    return exists(this.edgeSecret(name))
  }
}

async function exists(request: Promise<unknown>): Promise<boolean> {
  try {
    await request
    return true
  } catch (error) {
    if (error instanceof Error && ABSENT.test(error.name)) return false
    throw error
  }
}
