import { Readable } from 'node:stream'
import { CloudFrontKeyValueStoreClient } from '@aws-sdk/client-cloudfront-keyvaluestore'
import { SSMClient } from '@aws-sdk/client-ssm'

interface ServiceRequest {
  readonly method: string
  readonly hostname: string
  readonly path: string
  readonly headers: Record<string, string>
  readonly body?: string | Uint8Array
}

interface ServiceResponse {
  readonly status?: number
  readonly headers?: Record<string, string>
  readonly body?: unknown
}

type Fault = 'before' | 'after'

/**
 * Emulates the operations of SSM Parameter Store and CloudFront KeyValueStore that the edge secret needs, behind the
 * real SDK clients. A fault loses either a request or its response.
 */
export class EdgeServices {
  readonly parameters = new Map<string, string>()
  readonly items = new Map<string, string>()
  /** The operations of all requests, in order. */
  readonly requests: string[] = []
  /** Service and signature algorithm of the requests, such as `ssm AWS4-HMAC-SHA256`. */
  readonly signatures = new Set<string>()
  /** Called after each change of a parameter or an item. */
  onChange: () => void = () => {}
  /** Called before each operation, such as for a concurrent change. */
  beforeOperation: (operation: string) => void = () => {}
  #version = 1
  #fault: { at: number; kind: Fault } | undefined

  /** Makes a later request fail, or its response get lost. @param at 0 for the next request */
  failAt(at: number, kind: Fault): void {
    this.#fault = { at: this.requests.length + at, kind }
  }

  heal(): void {
    this.#fault = undefined
  }

  /** Changes an item as a concurrent writer does. The ETag of the store changes. */
  setItem(key: string, value: string): void {
    this.items.set(key, value)
    this.#version++
  }

  clients(): { ssm: SSMClient; keyValues: CloudFrontKeyValueStoreClient } {
    const settings = {
      region: 'eu-west-1',
      credentials: { accessKeyId: 'id', secretAccessKey: 'key' },
      maxAttempts: 1,
      requestHandler: { handle: (request: unknown) => this.#handle(request as ServiceRequest) },
    }
    return { ssm: new SSMClient(settings), keyValues: new CloudFrontKeyValueStoreClient(settings) }
  }

  async #handle(request: ServiceRequest) {
    const target = request.headers['x-amz-target']?.split('.')[1]
    const operation = target ?? `${request.method} ${request.path.endsWith('/keys') ? 'keys' : 'store'}`
    this.signatures.add(`${target ? 'ssm' : 'store'} ${request.headers.authorization?.split(' ')[0]}`)
    const fault = this.#fault?.at === this.requests.length ? this.#fault.kind : undefined
    this.requests.push(operation)
    if (fault === 'before') throw new Error('the connection was lost')
    this.beforeOperation(operation)
    const input = request.body ? JSON.parse(new TextDecoder().decode(bytesOf(request.body))) : {}
    const {
      status = 200,
      headers = {},
      body = {},
    } = target ? this.#parameter(target, input) : this.#store(operation, request, input)
    if (fault === 'after') throw new Error('the connection was lost')
    const type = { 'content-type': target ? 'application/x-amz-json-1.1' : 'application/json' }
    const response = {
      statusCode: status,
      headers: { ...type, ...headers },
      body: Readable.from([Buffer.from(JSON.stringify(body))]),
    }
    return { response }
  }

  #parameter(
    operation: string,
    input: { Name: string; Value: string; Overwrite?: boolean },
  ): ServiceResponse {
    const refuse = (name: string) => ({ status: 400, body: { __type: name } })
    const stored = this.parameters.get(input.Name)
    if (operation === 'PutParameter') {
      if (stored !== undefined && !input.Overwrite) return refuse('ParameterAlreadyExists')
      this.parameters.set(input.Name, input.Value)
      this.onChange()
      return { body: { Version: 1 } }
    }
    if (stored === undefined) return refuse('ParameterNotFound')
    if (operation === 'DeleteParameter') this.parameters.delete(input.Name)
    return { body: { Parameter: { Name: input.Name, Value: stored } } }
  }

  #store(
    operation: string,
    { headers }: ServiceRequest,
    input: { Puts?: { Key: string; Value: string }[]; Deletes?: { Key: string }[] },
  ): ServiceResponse {
    const etag = { etag: `E${this.#version}` }
    if (operation === 'GET keys')
      return { body: { Items: [...this.items].map(([Key, Value]) => ({ Key, Value })) } }
    if (operation === 'GET store') return { headers: etag, body: { ItemCount: this.items.size } }
    if (headers['if-match'] !== etag.etag)
      return { status: 409, headers: { 'x-amzn-errortype': 'ConflictException' } }
    for (const { Key, Value } of input.Puts ?? []) this.items.set(Key, Value)
    for (const { Key } of input.Deletes ?? []) this.items.delete(Key)
    this.#version++
    this.onChange()
    return { headers: { etag: `E${this.#version}` } }
  }
}

function bytesOf(body: string | Uint8Array): Uint8Array {
  return typeof body === 'string' ? Buffer.from(body) : body
}
