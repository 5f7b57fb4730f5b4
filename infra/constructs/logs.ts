import { RemovalPolicy } from 'aws-cdk-lib'
import { LogGroup } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'

/** The log groups of all parts, under the stack's name. They are deleted with the stack. */
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
