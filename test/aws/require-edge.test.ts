import { describe, expect, it } from 'vitest'
import { EDGE_HEADER, requireEdge } from '../../lambda/aws/require-edge.ts'
import type { App } from '../../lambda/http/app.ts'
import type { HttpRequest } from '../../lambda/http/message.ts'

const request = (headers: Record<string, string>, method = 'GET'): HttpRequest => ({
  method,
  path: '/v2/',
  query: new URLSearchParams(),
  headers,
  body: (async function* () {})(),
})

describe('an app behind the edge', () => {
  let asked = 0
  const app: App = async () => {
    asked++
    return { response: { status: 200, headers: {} } }
  }
  const guarded = requireEdge(app, async header => header === 'secret')

  it('serves who comes by it', async () => {
    expect((await guarded(request({ [EDGE_HEADER]: 'secret' }))).response?.status).toBe(200)
  })

  it.each([{}, { [EDGE_HEADER]: 'guess' }])('sends everybody else away, unheard', async headers => {
    asked = 0
    const { response, code } = await guarded(request(headers))

    expect([response?.status, code, asked]).toEqual([403, 'DENIED', 0])
    expect(JSON.parse(String(response?.body)).errors[0].code).toBe('DENIED')
  })

  it('serves nobody, and says why in the log, while it is not known what the edge says', async () => {
    asked = 0
    const down = requireEdge(app, () => Promise.reject(new Error('SSM is down')))
    const { response, code, fault } = await down(request({ [EDGE_HEADER]: 'secret' }))

    expect([response?.status, code, asked]).toEqual([503, 'UNAVAILABLE', 0])
    expect(response?.headers['retry-after']).toBe('1')
    expect(fault).toEqual(new Error('SSM is down'))
  })
})

describe('what the edge knows of a client', () => {
  const asked = async (headers: Record<string, string>) => {
    let seen: HttpRequest | undefined
    const app: App = async request => {
      seen = request
      return { response: { status: 200, headers: {} } }
    }
    await requireEdge(app, async () => true)({ ...request(headers), remote: '10.0.0.1' })
    return { origin: seen?.origin?.url, remote: seen?.remote }
  }

  it('is the name by which it was asked', async () => {
    expect((await asked({ 'x-longshore-host': 'registry.example' })).origin).toBe('https://registry.example')
  })

  it.each([
    ['203.0.113.7, 130.176.1.1', '203.0.113.7'],
    ['6.6.6.6, 203.0.113.7, 130.176.1.1', '203.0.113.7'],
    ['', '10.0.0.1'],
  ])('is its address, whatever it says of those before it (%j)', async (hops, remote) => {
    expect((await asked({ 'x-forwarded-for': hops })).remote).toBe(remote)
  })
})
