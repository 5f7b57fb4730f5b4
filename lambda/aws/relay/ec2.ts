import type { Credentials } from '../../store/shared/aws-signing.ts'
import { sendSigned } from '../signed-request.ts'

const TIMEOUT_MS = 5_000
const VERSION = '2016-11-15'

/** States of an instance (EC2, "Instance lifecycle"). */
export type InstanceState = 'pending' | 'running' | 'shutting-down' | 'terminated' | 'stopping' | 'stopped'

/** EC2 refused a request. `code` is one of EC2's error codes, such as `InsufficientInstanceCapacity`. */
export class Ec2Error extends Error {
  override readonly name = 'Ec2Error'
  readonly code: string
  constructor(action: string, status: number, code: string) {
    super(`EC2 refused ${action}: ${status} ${code}`)
    this.code = code
  }
}

/** The part of EC2 that the relay needs, about one instance. Each method throws {@link Ec2Error}. */
export interface Ec2 {
  /** Starts the instance. Has no effect on one that is running. @returns the state before the call */
  start(instance: string): Promise<InstanceState>
  stop(instance: string): Promise<void>
  state(instance: string): Promise<InstanceState>
}

interface Ec2Address {
  readonly region: string
  /** Endpoint of an emulated EC2, for tests. */
  readonly endpoint?: string | undefined
}

/** EC2's Query API. The SDK's client would more than double the code that a cold start of the API loads. */
export function createEc2(address: Ec2Address, credentials: () => Promise<Credentials>): Ec2 {
  async function call(action: string, instance: string): Promise<string> {
    const body = new URLSearchParams({ Action: action, Version: VERSION, 'InstanceId.1': instance })
    const headers = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' }
    const request = { service: 'ec2', ...address, headers, body: body.toString(), timeoutMs: TIMEOUT_MS }
    const { status, text } = await sendSigned(request, await credentials())
    if (status !== 200) throw new Ec2Error(action, status, elementIn(text, 'Code') ?? 'without an error code')
    return text
  }
  return {
    start: async instance => stateIn(await call('StartInstances', instance), 'previousState'),
    stop: async instance => void (await call('StopInstances', instance)),
    state: async instance => stateIn(await call('DescribeInstances', instance), 'instanceState'),
  }
}

/** Text of the first element of that name. The elements that are read here contain no markup. */
function elementIn(xml: string, name: string): string | undefined {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1]
}

function stateIn(xml: string, element: string): InstanceState {
  const [, content = ''] = new RegExp(`<${element}>([^]*?)</${element}>`).exec(xml) ?? []
  const state = elementIn(content, 'name')
  if (state === undefined) throw new Error(`the response of EC2 has no ${element}`)
  return state as InstanceState
}
