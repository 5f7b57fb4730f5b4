import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Duration, FileSystem, Stack } from 'aws-cdk-lib'
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { Architecture, Code, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda'
import type { ILogGroup } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'
import { bundle } from '../bundle.ts'
import { allow } from './permissions.ts'

const HANDLERS = join(import.meta.dirname, '../../lambda/handlers')

interface HandlerProps {
  /** Name of the file in lambda/handlers/, without its extension. */
  readonly file: string
  readonly description: string
  /** Memory in MiB. 1,769 MiB come with one full vCPU. */
  readonly memory: number
  readonly timeout: Duration
  readonly environment?: Record<string, string>
  readonly log: ILogGroup
  /** Reserved concurrency. */
  readonly atMost?: number
  /** Maximum age of asynchronous events. Lambda retries them twice at most. */
  readonly keepTrying?: Duration
}

/** A function with its own role, which initially may write its log only. */
export class Handler extends Construct {
  readonly function: LambdaFunction
  readonly role: Role

  constructor(scope: Construct, id: string, props: HandlerProps) {
    super(scope, id)
    this.role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') })
    allow(this.role, 'logs', ['CreateLogStream', 'PutLogEvents'], props.log.logGroupArn)
    // Bundled here and not by the CDK, which would print a line for each function. `cdk list` and tests need no
    // bundles.
    const folder = Stack.of(this).bundlingRequired ? bundled(props.file) : undefined
    this.function = new LambdaFunction(this, 'Function', {
      description: props.description,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      handler: 'index.handler',
      code: Code.fromAsset(folder ?? HANDLERS),
      memorySize: props.memory,
      timeout: props.timeout,
      environment: props.environment ?? {},
      role: this.role,
      logGroup: props.log,
      ...(props.atMost && { reservedConcurrentExecutions: props.atMost }),
      ...(props.keepTrying && { retryAttempts: 2, maxEventAge: props.keepTrying }),
    })
    // The function has copied it into the cloud assembly.
    if (folder) rmSync(folder, { recursive: true })
  }
}

/** Folder with the bundle of a handler. The caller removes it. */
function bundled(file: string): string {
  const folder = FileSystem.mkdtemp('longshore-')
  bundle(join(HANDLERS, `${file}.ts`), folder)
  return folder
}
