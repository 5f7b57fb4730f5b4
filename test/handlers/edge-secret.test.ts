import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { type ResourceEvent, sendResponse } from '../../lambda/aws/custom-resource.ts'
import { parseSecret } from '../../lambda/aws/edge-secret/secret.ts'
import { createHandler } from '../../lambda/handlers/edge-secret.ts'
import { EdgeServices } from '../support/edge-services.ts'

const PARAMETER = '/longshore/edge-secret'
const STORE = 'arn:aws:cloudfront::123456789012:key-value-store/a1b2'

/** Seconds since 1970. */
const NOW = 1_900_000_000
const DAY = 24 * 60 * 60

type Type = ResourceEvent['RequestType']

class Deployment {
  readonly services = new EdgeServices()
  readonly responses: {
    Status: string
    PhysicalResourceId: string
    NoEcho?: boolean
    Data?: { Header?: string }
    Reason?: string
  }[] = []
  readonly #handler = createHandler({
    ...this.services.clients(),
    clock: () => NOW * 1000,
    respond: async (_, body) => void this.responses.push(JSON.parse(body)),
  })

  async secret(type: Type, properties: Record<string, string> = {}) {
    return this.#send(type, 'Custom::EdgeSecret', {
      parameter: PARAMETER,
      generation: '1',
      retain: 'true',
      relay: 'off',
      auth: 'on',
      ...properties,
    })
  }

  async relay(type: Type, properties: Record<string, string> = {}) {
    return this.#send(type, 'Custom::RelaySwitch', properties)
  }

  get items() {
    return Object.fromEntries(this.services.items)
  }

  get stored() {
    return parseSecret(this.services.parameters.get(PARAMETER) ?? '')
  }

  async #send(RequestType: Type, ResourceType: string, properties: Record<string, string>) {
    await this.#handler({
      RequestType,
      ResourceType,
      ResourceProperties: { store: STORE, ...properties },
      ResponseURL: 'https://responses.example/1',
      StackId: 'stack',
      RequestId: 'request',
      LogicalResourceId: 'Secret',
    })
    return this.responses.at(-1)
  }
}

let deployment: Deployment
const log = vi.spyOn(console, 'log')

beforeEach(() => {
  log.mockImplementation(() => {})
  deployment = new Deployment()
})

afterEach(() => {
  const logged = log.mock.calls.flat().join('\n')
  const secrets = [...deployment.services.parameters.values()].flatMap(text => text.match(/[\w-]{43}/g) ?? [])
  for (const secret of secrets) expect(logged).not.toContain(secret)
  log.mockReset()
})
afterAll(() => log.mockRestore())

describe('the edge secret', () => {
  it('is created with the stack, and its header is returned for the distribution', async () => {
    const response = await deployment.secret('Create')
    const { edgeKeys, header } = deployment.stored
    expect(response).toMatchObject({ Status: 'SUCCESS', NoEcho: true, Data: { Header: header } })
    expect(edgeKeys).toEqual([expect.stringMatching(/^[\w-]{43}$/)])
    expect(edgeKeys[0]).not.toBe(header)
    expect(deployment.items).toEqual({ keys: edgeKeys[0], auth: 'on', unsigned: '0' })
  })

  it('differs between deployments', async () => {
    const other = new Deployment()
    await Promise.all([deployment.secret('Create'), other.secret('Create')])
    expect(other.stored.edgeKeys).not.toEqual(deployment.stored.edgeKeys)
    expect(other.stored.header).not.toBe(deployment.stored.header)
  })

  it('is written with the signature version that each service requires', async () => {
    await deployment.secret('Create')
    expect([...deployment.services.signatures].sort()).toEqual([
      'ssm AWS4-HMAC-SHA256',
      'store AWS4-ECDSA-P256-SHA256',
    ])
  })

  it('is kept when the stack is created again after a deletion that retained it', async () => {
    await deployment.secret('Create')
    const before = deployment.stored
    deployment.services.items.clear()
    const response = await deployment.secret('Create')
    expect(deployment.stored).toEqual(before)
    expect(response?.Data).toEqual({ Header: before.header })
    expect(deployment.services.items.get('keys')).toBe(before.edgeKeys[0])
  })

  it('is not written by an update without changes', async () => {
    await deployment.secret('Create')
    deployment.services.requests.length = 0
    await deployment.secret('Update')
    expect(deployment.services.requests).toEqual(['GetParameter', 'GET store', 'GET keys'])
  })

  it('gets a new key with a new generation, and keeps the previous key and the header', async () => {
    await deployment.secret('Create')
    const before = deployment.stored
    await deployment.secret('Update', { generation: '2' })
    const { edgeKeys, header } = deployment.stored
    expect(edgeKeys).toEqual([expect.stringMatching(/^[\w-]{43}$/), before.edgeKeys[0]])
    expect(edgeKeys[0]).not.toBe(before.edgeKeys[0])
    expect(header).toBe(before.header)
    expect(deployment.services.items.get('keys')).toBe(edgeKeys.join(','))
  })

  it('fails after five concurrent changes of the KeyValueStore', async () => {
    let changes = 0
    deployment.services.beforeOperation = operation => {
      if (operation === 'POST keys' && changes < 50) deployment.services.setItem('other', String(changes++))
    }
    const response = await deployment.secret('Create')
    expect(response).toMatchObject({
      Status: 'FAILED',
      Reason: 'cannot update the keys of the edge: ConflictException',
    })
    expect(changes).toBe(5)
  })

  it('keeps the keys of two generations', async () => {
    for (const generation of ['1', '2', '3']) await deployment.secret('Update', { generation })
    expect(deployment.stored.generations).toEqual(['3', '2'])
    expect(deployment.stored.edgeKeys).toHaveLength(2)
  })

  it('has its former key first again when the new generation is rolled back', async () => {
    await deployment.secret('Create')
    const [first] = deployment.stored.edgeKeys
    await deployment.secret('Update', { generation: '2' })
    const [second] = deployment.stored.edgeKeys
    await deployment.secret('Update', { generation: '1' })
    expect(deployment.stored.edgeKeys).toEqual([first, second])
  })

  it('is retained with the data', async () => {
    await deployment.secret('Create')
    const response = await deployment.secret('Delete')
    expect(response?.Status).toBe('SUCCESS')
    expect(deployment.services.parameters.has(PARAMETER)).toBe(true)
  })

  it('is deleted with the data, and a repeated deletion succeeds', async () => {
    await deployment.secret('Create')
    for (const _ of ['once', 'twice']) {
      const response = await deployment.secret('Delete', { retain: 'false' })
      expect(response?.Status).toBe('SUCCESS')
      expect(deployment.services.parameters.size).toBe(0)
    }
  })

  it('does not overwrite another value in its parameter', async () => {
    deployment.services.parameters.set(PARAMETER, 'something else')
    const response = await deployment.secret('Create')
    expect(response).toMatchObject({ Status: 'FAILED', PhysicalResourceId: PARAMETER })
    expect(response?.Reason).not.toContain('something else')
    expect(deployment.services.parameters.get(PARAMETER)).toBe('something else')
  })

  it('is the one that a concurrent creation has stored', async () => {
    const { services } = deployment
    const other = new Deployment()
    await other.secret('Create')
    const concurrent = other.services.parameters.get(PARAMETER) ?? ''
    services.beforeOperation = operation => {
      if (operation === 'PutParameter') services.parameters.set(PARAMETER, concurrent)
    }
    const response = await deployment.secret('Create')
    expect(response?.Data?.Header).toBe(other.stored.header)
    expect(services.items.get('keys')).toBe(other.stored.edgeKeys[0])
  })

  it('is written to the KeyValueStore in spite of two concurrent changes', async () => {
    const { services } = deployment
    let remaining = 2
    services.beforeOperation = operation => {
      if (operation === 'POST keys' && remaining-- > 0) services.setItem('relay', 'on')
    }
    await deployment.secret('Create')
    expect(services.items.get('keys')).toBe(deployment.stored.edgeKeys[0])
  })

  it('reports the failed step without the message of the service', async () => {
    deployment.services.failAt(0, 'before')
    const response = await deployment.secret('Create')
    expect(response).toMatchObject({ Status: 'FAILED', Reason: `cannot read ${PARAMETER}: Error` })
  })
})

describe('a rotation of the edge secret', () => {
  const steps = [0, 1, 2, 3, 4]
  const faults = steps.flatMap(at => [[at, 'before'] as const, [at, 'after'] as const])

  it.each(faults)('succeeds when repeated after request %i failed %s it took effect', async (at, kind) => {
    const { services } = deployment
    const missing: string[] = []
    services.onChange = () => {
      const text = services.parameters.get(PARAMETER)
      const edgeKeys = services.items.get('keys')?.split(',') ?? []
      if (text) missing.push(...parseSecret(text).edgeKeys.filter(key => !edgeKeys.includes(key)))
    }
    for (const generation of ['1', '2']) {
      services.failAt(at, kind)
      const failed = await deployment.secret('Update', { generation })
      expect(failed?.Status).toBe('FAILED')
      services.heal()
      const response = await deployment.secret('Update', { generation })
      expect(response).toMatchObject({ Status: 'SUCCESS', Data: { Header: deployment.stored.header } })
      expect(deployment.stored.generations[0]).toBe(generation)
      expect(services.items.get('keys')).toBe(deployment.stored.edgeKeys.join(','))
    }
    expect(missing, 'keys that the API could sign with before the edge had them').toEqual([])
    expect(deployment.stored.generations).toEqual(['2', '1'])
  })
})

describe('the relay switch', () => {
  it('is set at the edge on creation and removed on deletion', async () => {
    await deployment.secret('Create', { relay: 'on' })
    expect(deployment.services.items.has('relay')).toBe(false)
    await deployment.relay('Create')
    expect(deployment.services.items.get('relay')).toBe('on')
    await deployment.relay('Update', { value: 'auto' })
    expect(deployment.services.items.get('relay')).toBe('auto')
    const response = await deployment.relay('Delete')
    expect(response).toMatchObject({ Status: 'SUCCESS', PhysicalResourceId: 'relay' })
    expect(Object.keys(deployment.items)).toEqual(['keys', 'auth', 'unsigned'])
  })

  it('says that the relay sleeps', async () => {
    await deployment.secret('Create', { relay: 'on' })
    await deployment.relay('Create', { value: 'auto' })
    expect(deployment.items.relay).toBe('auto')
    await deployment.relay('Update')
    expect(deployment.items.relay).toBe('on')
  })

  it('is removed by an update of the secret, before the relay is deleted', async () => {
    await deployment.secret('Create', { relay: 'on' })
    await deployment.relay('Create')
    await deployment.secret('Update', { relay: 'off' })
    expect(deployment.services.items.has('relay')).toBe(false)
  })

  it('stays set when only the secret changes', async () => {
    await deployment.secret('Create', { relay: 'on' })
    await deployment.relay('Create')
    await deployment.secret('Update', { relay: 'on', generation: '2' })
    expect(deployment.services.items.get('relay')).toBe('on')
  })
})

describe('the items of the edge', () => {
  it('accept sessions without a signature for a day after the update that introduces signatures', async () => {
    await deployment.secret('Create')
    deployment.services.items.delete('unsigned')
    await deployment.secret('Update')
    expect(deployment.items.unsigned).toBe(String(NOW + DAY))
  })

  it('keep that time in later updates', async () => {
    deployment.services.setItem('unsigned', String(NOW - 1))
    await deployment.secret('Update', { generation: '2' })
    expect(deployment.items.unsigned).toBe(String(NOW - 1))
  })

  it('accept none in a new deployment', async () => {
    await deployment.secret('Create')
    await deployment.secret('Update', { generation: '2' })
    expect(deployment.items.unsigned).toBe('0')
  })

  it('say whether clients must log in', async () => {
    await deployment.secret('Create', { auth: 'off' })
    expect(deployment.items.auth).toBe('off')
    await deployment.secret('Update')
    expect(deployment.items.auth).toBe('on')
  })

  it('keep the emergency switches that an administrator has set', async () => {
    await deployment.secret('Create', { relay: 'on' })
    for (const name of ['direct', 'relay-switch']) deployment.services.setItem(name, 'off')
    await deployment.relay('Create', { value: 'auto' })
    await deployment.secret('Update', { relay: 'on', generation: '2' })
    await deployment.secret('Update', { relay: 'off', auth: 'off' })
    expect(deployment.items).toMatchObject({ direct: 'off', 'relay-switch': 'off' })
  })
})

describe('sendResponse', () => {
  const requests: { method: string | undefined; type: string | undefined; body: string }[] = []
  let failures = 0
  const server = createServer(async (request: IncomingMessage, response) => {
    requests.push({
      method: request.method,
      type: request.headers['content-type'],
      body: await text(request),
    })
    response.writeHead(failures-- > 0 ? 503 : 200).end()
  })
  const url = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/response`

  beforeAll(() => new Promise<void>(done => void server.listen(0, '127.0.0.1', done)))
  afterAll(() => void server.close())
  beforeEach(() => void requests.splice(0))

  it('sends no content type, because the presigned URL does not include one', async () => {
    await sendResponse(url(), '{}')
    expect(requests).toEqual([{ method: 'PUT', type: undefined, body: '{}' }])
  })

  it('retries when CloudFormation does not accept the response', async () => {
    failures = 2
    await sendResponse(url(), '{}', 1)
    expect(requests).toHaveLength(3)
  })

  it('throws after three attempts, so that Lambda calls the function again', async () => {
    failures = 9
    await expect(sendResponse(url(), '{}', 1)).rejects.toThrow('503')
    expect(requests).toHaveLength(3)
  })
})
