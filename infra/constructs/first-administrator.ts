import { Aws, CustomResource, Duration, RemovalPolicy } from 'aws-cdk-lib'
import type { ILogGroup } from 'aws-cdk-lib/aws-logs'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { Construct } from 'constructs'
import { Handler } from './handler.ts'
import { suppress } from './nag-suppressions.ts'
import { allow, allowFirstAccount } from './permissions.ts'
import type { Storage } from './storage.ts'

interface FirstAdministratorProps {
  /** The registry's host, for the command that logs in. */
  readonly host: string
  readonly storage: Storage
  readonly log: ILogGroup
}

/**
 * Creates the account `admin` in a registry without accounts, and never changes it later. Its password is generated on
 * deployment and stored in Secrets Manager only, at 0.40 dollars a month. Once there are other administrators, the
 * setting `firstAdministrator=off` removes the secret.
 */
export class FirstAdministrator extends Construct {
  /** The command that logs in without showing the password. */
  readonly login: string

  constructor(scope: Construct, id: string, { host, storage, log }: FirstAdministratorProps) {
    super(scope, id)
    const secret = new Secret(this, 'Password', {
      description: 'Longshore: the initial password of the user admin',
      generateSecretString: { passwordLength: 32, excludePunctuation: true },
      removalPolicy: RemovalPolicy.DESTROY,
    })
    suppress(
      secret,
      'AwsSolutions-SMG4',
      'It is for the first login only: rotating the secret would not change the password in the registry.',
    )
    const maker = new Handler(this, 'Maker', {
      file: 'first-administrator',
      description: 'Longshore: creates the first account',
      memory: 512,
      timeout: Duration.minutes(1),
      environment: {
        LONGSHORE_TABLE: storage.table.tableName,
        LONGSHORE_PASSWORD_SECRET: secret.secretArn,
      },
      log,
    })
    allowFirstAccount(maker.role, storage)
    allow(maker.role, 'secretsmanager', ['GetSecretValue'], secret.secretArn)
    new CustomResource(this, 'Account', {
      resourceType: 'Custom::FirstAdministrator',
      serviceToken: maker.function.functionArn,
      serviceTimeout: Duration.minutes(10),
    })
    const read = `aws secretsmanager get-secret-value --region ${Aws.REGION} --secret-id ${secret.secretArn} --query SecretString --output text`
    this.login = `${read} | docker login --username admin --password-stdin ${host}`
  }
}
