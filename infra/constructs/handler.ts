import { join } from 'node:path'
import { AssetHashType, DockerImage, type Duration } from 'aws-cdk-lib'
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { Architecture, Code, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda'
import type { ILogGroup } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'
import { bundle } from '../bundle.ts'
import { allow } from './permissions.ts'

const HANDLERS = join(import.meta.dirname, '../../lambda/handlers')

interface HandlerProps {
  /** Name of the file in lambda/handlers/, without its ending. */
  readonly file: string
  readonly description: string
  /** MiB. 1,769 of them come with one whole processor. */
  readonly memory: number
  readonly timeout: Duration
  readonly environment?: Record<string, string>
  readonly log: ILogGroup
  /** Instances at most, set apart from what the account may run. */
  readonly atMost?: number
  /** For events that nobody waits for: how long to go on trying, twice more at most. */
  readonly keepTrying?: Duration
}

/** A function with a role of its own. At first the role may write its log, and nothing else. */
export class Handler extends Construct {
  readonly function: LambdaFunction
  readonly role: Role

  constructor(scope: Construct, id: string, props: HandlerProps) {
    super(scope, id)
    this.role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') })
    allow(this.role, 'logs', ['CreateLogStream', 'PutLogEvents'], props.log.logGroupArn)
    this.function = new LambdaFunction(this, 'Function', {
      description: props.description,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      handler: 'index.handler',
      code: codeOf(props.file),
      memorySize: props.memory,
      timeout: props.timeout,
      environment: props.environment ?? {},
      role: this.role,
      logGroup: props.log,
      ...(props.atMost && { reservedConcurrentExecutions: props.atMost }),
      ...(props.keepTrying && { retryAttempts: 2, maxEventAge: props.keepTrying }),
    })
  }
}

/** Bundled here and now, without Docker. `command` is what tells the CDK, which bundles equal things once, one file from another. */
function codeOf(file: string): Code {
  const entry = join(HANDLERS, `${file}.ts`)
  return Code.fromAsset(HANDLERS, {
    assetHashType: AssetHashType.OUTPUT,
    bundling: {
      image: DockerImage.fromRegistry('not-used'),
      command: [file],
      local: {
        tryBundle(folder) {
          bundle(entry, folder)
          return true
        },
      },
    },
  })
}
