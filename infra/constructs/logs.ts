import { RemovalPolicy } from 'aws-cdk-lib'
import { LogGroup } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'

/** The logs of all parts, side by side under the stack's name. They go with the stack: what they say is of no use without it. */
export class Logs extends Construct {
  readonly #name: string
  readonly #days: number

  constructor(scope: Construct, id: string, { name, days }: { name: string; days: number }) {
    super(scope, id)
    this.#name = name
    this.#days = days
  }

  of(part: string): LogGroup {
    return new LogGroup(this, part, {
      logGroupName: `/${this.#name}/${part}`,
      retention: this.#days,
      removalPolicy: RemovalPolicy.DESTROY,
    })
  }
}
