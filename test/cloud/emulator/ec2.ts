import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { type Ec2Instance, IncorrectState, STATE_CODES, type State } from './ec2-instance.ts'

const VERSION = '2016-11-15'

/** EC2's error codes, with the statuses and messages of the service ("Error codes for the Amazon EC2 API"). */
const ERRORS = {
  IncorrectInstanceState: [400, 'The instance is not in a state from which it can be started or stopped.'],
  'InvalidInstanceID.NotFound': [400, 'The instance ID does not exist'],
  InvalidAction: [400, 'The action is not valid for this web service.'],
  AuthFailure: [401, 'AWS was not able to validate the provided access credentials'],
  UnauthorizedOperation: [403, 'You are not authorized to perform this operation.'],
  PendingVerification: [
    400,
    'Your request for accessing resources in this region is being validated, and you will not be able to launch additional resources in this region until the validation is complete.',
  ],
  VcpuLimitExceeded: [400, 'You have requested more vCPU capacity than your current vCPU limit of 0 allows.'],
  InsufficientInstanceCapacity: [500, 'Insufficient capacity.'],
  RequestLimitExceeded: [503, 'Request limit exceeded.'],
} as const satisfies Record<string, [status: number, message: string]>
export type ErrorCode = keyof typeof ERRORS

/** Emulates EC2's Query API for one instance. It checks that requests are signed, but not their signatures. */
export class Ec2 {
  readonly instance: Ec2Instance
  /** Errors that StartInstances returns next, in this order. */
  readonly refusals: ErrorCode[] = []
  /** Actions of all requests. */
  readonly actions: string[] = []
  readonly #server: Server

  private constructor(instance: Ec2Instance) {
    this.instance = instance
    this.#server = createServer(async (request, response) => {
      const parameters = new URLSearchParams(await text(request))
      const isSigned = /\/ec2\/aws4_request, /.test(request.headers.authorization ?? '')
      if (isSigned) this.#handle(parameters, response)
      else respondWithError(response, 'AuthFailure')
    })
  }

  static async start(instance: Ec2Instance): Promise<Ec2> {
    const ec2 = new Ec2(instance)
    ec2.#server.listen(0, '127.0.0.1')
    await once(ec2.#server, 'listening')
    return ec2
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    await this.instance.reset()
  }

  #handle(parameters: URLSearchParams, response: ServerResponse): void {
    const action = parameters.get('Action') ?? ''
    this.actions.push(action)
    const isKnown = parameters.get('InstanceId.1') === this.instance.id
    try {
      if (!isKnown) respondWithError(response, 'InvalidInstanceID.NotFound')
      else if (action === 'StartInstances') this.#start(response)
      else if (action === 'StopInstances') respond(response, action, this.#change(this.instance.stop()))
      else if (action === 'DescribeInstances') respond(response, action, this.#description())
      else respondWithError(response, 'InvalidAction')
    } catch (error) {
      if (!(error instanceof IncorrectState)) throw error
      respondWithError(response, 'IncorrectInstanceState')
    }
  }

  #start(response: ServerResponse): void {
    const refusal = this.refusals.shift()
    if (refusal) respondWithError(response, refusal)
    else respond(response, 'StartInstances', this.#change(this.instance.start()))
  }

  #change(previous: State): string {
    const { id, state } = this.instance
    return `<instancesSet><item><instanceId>${id}</instanceId>${stateElement('currentState', state)}${stateElement('previousState', previous)}</item></instancesSet>`
  }

  #description(): string {
    const { id, state } = this.instance
    return `<reservationSet><item><reservationId>r-0123456789abcdef0</reservationId><ownerId>123456789012</ownerId><groupSet/><instancesSet><item><instanceId>${id}</instanceId><imageId>ami-0123456789abcdef0</imageId>${stateElement('instanceState', state)}<instanceType>t4g.small</instanceType></item></instancesSet></item></reservationSet>`
  }
}

function stateElement(name: string, state: State): string {
  return `<${name}><code>${STATE_CODES[state]}</code><name>${state}</name></${name}>`
}

function respond(response: ServerResponse, action: string, content: string): void {
  const element = `${action}Response`
  const namespace = `http://ec2.amazonaws.com/doc/${VERSION}/`
  const id = `<requestId>${randomUUID()}</requestId>`
  writeXml(response, 200, `<${element} xmlns="${namespace}">${id}${content}</${element}>`)
}

function respondWithError(response: ServerResponse, code: ErrorCode): void {
  const [status, message] = ERRORS[code]
  const error = `<Errors><Error><Code>${code}</Code><Message>${message}</Message></Error></Errors>`
  writeXml(response, status, `<Response>${error}<RequestID>${randomUUID()}</RequestID></Response>`)
}

function writeXml(response: ServerResponse, status: number, document: string): void {
  response.writeHead(status, { 'content-type': 'text/xml;charset=UTF-8' })
  response.end(`<?xml version="1.0" encoding="UTF-8"?>\n${document}`)
}
