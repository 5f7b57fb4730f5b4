import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  CloudFormationClient,
  DescribeStacksCommand,
  paginateDescribeStackEvents,
  paginateListStackResources,
  type StackEvent,
} from '@aws-sdk/client-cloudformation'
import { App } from 'aws-cdk-lib'
import { readSettings } from '../../infra/settings.ts'
import { RegistryStack } from '../../infra/stack.ts'
import { attempt } from '../support/command.ts'
import type { TempDir } from '../support/temp-dir.ts'
import { ACCOUNT, type Ministack } from './ministack.ts'

const CDK = fileURLToPath(new URL('../../node_modules/.bin/cdk', import.meta.url))

type Settings = Readonly<Record<string, unknown>>

/** A resource of a stack, as CloudFormation lists it. */
export interface Resource {
  readonly logicalId: string
  readonly type: string
  readonly physicalId: string
}

interface Place {
  readonly ministack: Ministack
  readonly scratch: TempDir
  readonly region: string
}

/** Prepares a region of the account for deployments: `cdk bootstrap`. */
export async function bootstrap({ ministack, scratch, region }: Place): Promise<void> {
  await cdk(ministack, region, ['bootstrap', `aws://${ACCOUNT}/${region}`], scratch.path)
}

/** One stack in one region, deployed with `cdk deploy` and deleted with `cdk destroy`. */
export class Deployment {
  readonly name: string
  readonly region: string
  readonly #place: Place
  readonly #cloudFormation: CloudFormationClient
  #outputs: Readonly<Record<string, string>> = {}
  /** Unlike its name, the id also finds a deleted stack. */
  #stackId = ''
  #assembly = ''
  #deployments = 0

  constructor(place: Place, name = 'longshore') {
    this.name = name
    this.region = place.region
    this.#place = place
    this.#cloudFormation = new CloudFormationClient(place.ministack.client(place.region))
  }

  /**
   * Synthesizes the stack, publishes its assets and creates or updates it.
   * @param settings without `name`
   * @throws {Error} with the output of the CDK and MiniStack
   */
  async deploy(settings: Settings): Promise<void> {
    const { ministack, scratch, region } = this.#place
    const folder = scratch.folder(`${region}-${this.name}-${++this.#deployments}`)
    this.#assembly = join(folder, 'assembly')
    const app = new App({ outdir: this.#assembly, analyticsReporting: false })
    new RegistryStack(app, readSettings({ ...settings, name: this.name }))
    app.synth()
    const outputs = join(folder, 'outputs.json')
    const flags = ['--require-approval', 'never', '--outputs-file', outputs]
    await cdk(ministack, region, ['deploy', '--app', this.#assembly, ...flags], folder)
    this.#outputs = JSON.parse(readFileSync(outputs, 'utf8'))[this.name]
    const [{ StackId = '' } = {}] = (await this.#cloudFormation.send(describe(this.name))).Stacks ?? []
    this.#stackId = StackId
  }

  async destroy(): Promise<void> {
    const { ministack, scratch, region } = this.#place
    await cdk(ministack, region, ['destroy', '--app', this.#assembly, '--force'], scratch.path)
  }

  /** An output of the stack. @throws {Error} when there is none of that name */
  output(name: string): string {
    const value = this.#outputs[name]
    if (value === undefined) throw new Error(`the stack ${this.name} has no output ${name}`)
    return value
  }

  async resources(): Promise<Resource[]> {
    const found: Resource[] = []
    const pages = paginateListStackResources({ client: this.#cloudFormation }, { StackName: this.name })
    for await (const { StackResourceSummaries = [] } of pages)
      for (const { LogicalResourceId, ResourceType, PhysicalResourceId } of StackResourceSummaries)
        found.push({
          logicalId: LogicalResourceId ?? '',
          type: ResourceType ?? '',
          physicalId: PhysicalResourceId ?? '',
        })
    return found
  }

  /** The physical id of each resource by its logical id. A replaced resource has another physical id. */
  async physicalIds(): Promise<Record<string, string>> {
    const all = await this.resources()
    return Object.fromEntries(all.map(({ logicalId, physicalId }) => [logicalId, physicalId]))
  }

  /** Types and statuses of the resources that a deleted stack has left behind, from its events. */
  async retained(): Promise<string[]> {
    const last = new Map<string, StackEvent>()
    const pages = paginateDescribeStackEvents({ client: this.#cloudFormation }, { StackName: this.#stackId })
    for await (const { StackEvents = [] } of pages)
      for (const event of StackEvents) {
        const id = event.LogicalResourceId ?? ''
        // The newest event is the first.
        if (!last.has(id)) last.set(id, event)
      }
    const left = [...last.values()].filter(({ ResourceStatus }) => ResourceStatus !== 'DELETE_COMPLETE')
    return left.map(({ ResourceType, ResourceStatus }) => `${ResourceType} ${ResourceStatus}`).sort()
  }
}

function describe(name: string) {
  return new DescribeStacksCommand({ StackName: name })
}

async function cdk(ministack: Ministack, region: string, args: string[], cwd: string): Promise<void> {
  const [program, ...rest] = [
    'env',
    '-i',
    ...Object.entries(ministack.environment(region)).map(([k, v]) => `${k}=${v}`),
  ]
  const result = await attempt(program ?? '', [...rest, CDK, ...args, '--no-notices'], {
    cwd,
    timeoutMs: 180_000,
  })
  if (result.code !== 0)
    throw new Error(`cdk ${args.join(' ')}\n${result.stdout}${result.stderr}\nMiniStack:\n${ministack.log}`)
}
