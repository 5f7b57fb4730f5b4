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

type Type = ResourceEvent['RequestType']

class Deployment {
  readonly services = new EdgeServices()
  readonly answers: {
    Status: string
    PhysicalResourceId: string
    NoEcho?: boolean
    Data?: { Header?: string }
    Reason?: string
  }[] = []
  readonly #handler = createHandler({
    ...this.services.clients(),
    answer: async (_, body) => void this.answers.push(JSON.parse(body)),
  })

  async secret(type: Type, properties: Record<string, string> = {}) {
    return this.#ask(type, 'Custom::EdgeSecret', {
      parameter: PARAMETER,
      generation: '1',
      retain: 'true',
      relay: 'off',
      ...properties,
    })
  }

  async relay(type: Type) {
    return this.#ask(type, 'Custom::RelaySwitch', {})
  }

  get stored() {
    return parseSecret(this.services.parameters.get(PARAMETER) ?? '')
  }

  async #ask(RequestType: Type, ResourceType: string, properties: Record<string, string>) {
    await this.#handler({
      RequestType,
      ResourceType,
      ResourceProperties: { store: STORE, ...properties },
      ResponseURL: 'https://answers.example/1',
      StackId: 'stack',
      RequestId: 'request',
      LogicalResourceId: 'Secret',
    })
    return this.answers.at(-1)
  }
}

let deployment: Deployment
const log = vi.spyOn(console, 'log')

beforeEach(() => {
  log.mockImplementation(() => {})
  deployment = new Deployment()
})

afterEach(() => {
  const said = log.mock.calls.flat().join('\n')
  const secrets = [...deployment.services.parameters.values()].flatMap(text => text.match(/[\w-]{43}/g) ?? [])
  for (const secret of secrets) expect(said).not.toContain(secret)
  log.mockReset()
})
afterAll(() => log.mockRestore())

describe('The secret', () => {
  it('is made when the stack is created, and its header goes to the distribution', async () => {
    const answer = await deployment.secret('Create')
    const { edgeKeys, header } = deployment.stored
    expect(answer).toMatchObject({ Status: 'SUCCESS', NoEcho: true, Data: { Header: header } })
    expect(edgeKeys).toEqual([expect.stringMatching(/^[\w-]{43}$/)])
    expect(edgeKeys[0]).not.toBe(header)
    expect(deployment.services.items).toEqual(new Map([['keys', edgeKeys[0]]]))
  })

  it('is another one in each deployment', async () => {
    const other = new Deployment()
    await Promise.all([deployment.secret('Create'), other.secret('Create')])
    expect(other.stored.edgeKeys).not.toEqual(deployment.stored.edgeKeys)
    expect(other.stored.header).not.toBe(deployment.stored.header)
  })

  it('is signed for in the way that each service wants', async () => {
    await deployment.secret('Create')
    expect([...deployment.services.signatures].sort()).toEqual([
      'ssm AWS4-HMAC-SHA256',
      'store AWS4-ECDSA-P256-SHA256',
    ])
  })

  it('stays as it is when it is created again, as after a stack that was deleted and left it behind', async () => {
    await deployment.secret('Create')
    const before = deployment.stored
    deployment.services.items.clear()
    const answer = await deployment.secret('Create')
    expect(deployment.stored).toEqual(before)
    expect(answer?.Data).toEqual({ Header: before.header })
    expect(deployment.services.items.get('keys')).toBe(before.edgeKeys[0])
  })

  it('changes nothing when nothing has changed', async () => {
    await deployment.secret('Create')
    deployment.services.requests.length = 0
    await deployment.secret('Update')
    expect(deployment.services.requests).toEqual(['GetParameter', 'GET store', 'GET keys'])
  })

  it('gets a new key with a new generation, keeps the one before, and its header', async () => {
    await deployment.secret('Create')
    const before = deployment.stored
    await deployment.secret('Update', { generation: '2' })
    const { edgeKeys, header } = deployment.stored
    expect(edgeKeys).toEqual([expect.stringMatching(/^[\w-]{43}$/), before.edgeKeys[0]])
    expect(edgeKeys[0]).not.toBe(before.edgeKeys[0])
    expect(header).toBe(before.header)
    expect(deployment.services.items.get('keys')).toBe(edgeKeys.join(','))
  })

  it('is given up where the edge changes whenever it is told', async () => {
    let changes = 0
    deployment.services.meanwhile = operation => {
      if (operation === 'POST keys' && changes < 50) deployment.services.setItem('other', String(changes++))
    }
    const answer = await deployment.secret('Create')
    expect(answer).toMatchObject({ Status: 'FAILED', Reason: 'cannot tell the edge: ConflictException' })
    expect(changes).toBe(5)
  })

  it('forgets the key before the last', async () => {
    for (const generation of ['1', '2', '3']) await deployment.secret('Update', { generation })
    expect(deployment.stored.generations).toEqual(['3', '2'])
    expect(deployment.stored.edgeKeys).toHaveLength(2)
  })

  it('has its former key in front again when the new generation is rolled back', async () => {
    await deployment.secret('Create')
    const [first] = deployment.stored.edgeKeys
    await deployment.secret('Update', { generation: '2' })
    const [second] = deployment.stored.edgeKeys
    await deployment.secret('Update', { generation: '1' })
    expect(deployment.stored.edgeKeys).toEqual([first, second])
  })

  it('is left behind with the data', async () => {
    await deployment.secret('Create')
    const answer = await deployment.secret('Delete')
    expect(answer?.Status).toBe('SUCCESS')
    expect(deployment.services.parameters.has(PARAMETER)).toBe(true)
  })

  it('is deleted when the data is, and when it is gone already', async () => {
    await deployment.secret('Create')
    for (const _ of ['once', 'twice']) {
      const answer = await deployment.secret('Delete', { retain: 'false' })
      expect(answer?.Status).toBe('SUCCESS')
      expect(deployment.services.parameters.size).toBe(0)
    }
  })

  it('does not overwrite what somebody else keeps under its name', async () => {
    deployment.services.parameters.set(PARAMETER, 'something else')
    const answer = await deployment.secret('Create')
    expect(answer).toMatchObject({ Status: 'FAILED', PhysicalResourceId: PARAMETER })
    expect(answer?.Reason).not.toContain('something else')
    expect(deployment.services.parameters.get(PARAMETER)).toBe('something else')
  })

  it('is that of the other when two make one at once', async () => {
    const { services } = deployment
    const other = new Deployment()
    await other.secret('Create')
    const theirs = other.services.parameters.get(PARAMETER) ?? ''
    services.meanwhile = operation => {
      if (operation === 'PutParameter') services.parameters.set(PARAMETER, theirs)
    }
    const answer = await deployment.secret('Create')
    expect(answer?.Data?.Header).toBe(other.stored.header)
    expect(services.items.get('keys')).toBe(other.stored.edgeKeys[0])
  })

  it('is told to the edge although the store changes at the same time', async () => {
    const { services } = deployment
    let left = 2
    services.meanwhile = operation => {
      if (operation === 'POST keys' && left-- > 0) services.setItem('relay', 'on')
    }
    await deployment.secret('Create')
    expect(services.items.get('keys')).toBe(deployment.stored.edgeKeys[0])
  })

  it('says which step failed, not in the words of the service', async () => {
    deployment.services.failAt(0, 'before')
    const answer = await deployment.secret('Create')
    expect(answer).toMatchObject({ Status: 'FAILED', Reason: `cannot read ${PARAMETER}: Error` })
  })
})

describe('Whatever request fails on the way,', () => {
  const steps = [0, 1, 2, 3, 4]
  const faults = steps.flatMap(at => [[at, 'before'] as const, [at, 'after'] as const])

  it.each(faults)('that at %i, lost %s it was done, trying again ends well', async (at, kind) => {
    const { services } = deployment
    const missing: string[] = []
    services.watch = () => {
      const text = services.parameters.get(PARAMETER)
      const known = services.items.get('keys')?.split(',') ?? []
      if (text) missing.push(...parseSecret(text).edgeKeys.filter(key => !known.includes(key)))
    }
    for (const generation of ['1', '2']) {
      services.failAt(at, kind)
      const failed = await deployment.secret('Update', { generation })
      expect(failed?.Status).toBe('FAILED')
      services.heal()
      const answer = await deployment.secret('Update', { generation })
      expect(answer).toMatchObject({ Status: 'SUCCESS', Data: { Header: deployment.stored.header } })
      expect(deployment.stored.generations[0]).toBe(generation)
      expect(services.items.get('keys')).toBe(deployment.stored.edgeKeys.join(','))
    }
    expect(missing, 'keys that the API could sign with before the edge knew them').toEqual([])
    expect(deployment.stored.generations).toEqual(['2', '1'])
  })
})

describe('The relay', () => {
  it('is announced to the edge, and taken back', async () => {
    await deployment.secret('Create', { relay: 'on' })
    expect(deployment.services.items.has('relay')).toBe(false)
    await deployment.relay('Create')
    expect(deployment.services.items.get('relay')).toBe('on')
    const answer = await deployment.relay('Delete')
    expect(answer).toMatchObject({ Status: 'SUCCESS', PhysicalResourceId: 'relay' })
    expect([...deployment.services.items.keys()]).toEqual(['keys'])
  })

  it('is taken back by the secret already, before the edge loses its way there', async () => {
    await deployment.secret('Create', { relay: 'on' })
    await deployment.relay('Create')
    await deployment.secret('Update', { relay: 'off' })
    expect(deployment.services.items.has('relay')).toBe(false)
  })

  it('stays announced while only the secret changes', async () => {
    await deployment.secret('Create', { relay: 'on' })
    await deployment.relay('Create')
    await deployment.secret('Update', { relay: 'on', generation: '2' })
    expect(deployment.services.items.get('relay')).toBe('on')
  })
})

describe('An answer to CloudFormation', () => {
  const asked: { method: string | undefined; type: string | undefined; body: string }[] = []
  let failures = 0
  const server = createServer(async (request: IncomingMessage, response) => {
    asked.push({ method: request.method, type: request.headers['content-type'], body: await text(request) })
    response.writeHead(failures-- > 0 ? 503 : 200).end()
  })
  const url = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/answer`

  beforeAll(() => new Promise<void>(done => void server.listen(0, '127.0.0.1', done)))
  afterAll(() => void server.close())
  beforeEach(() => void asked.splice(0))

  it('has no content type, for which its address is not signed', async () => {
    await sendResponse(url(), '{}')
    expect(asked).toEqual([{ method: 'PUT', type: undefined, body: '{}' }])
  })

  it('is given again when it is not taken', async () => {
    failures = 2
    await sendResponse(url(), '{}', 1)
    expect(asked).toHaveLength(3)
  })

  it('fails aloud when it is never taken, so that Lambda begins again', async () => {
    failures = 9
    await expect(sendResponse(url(), '{}', 1)).rejects.toThrow('503')
    expect(asked).toHaveLength(3)
  })
})
