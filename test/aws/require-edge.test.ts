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

describe('requireEdge', () => {
  let calls = 0
  const app: App = async () => {
    calls++
    return { response: { status: 200, headers: {} } }
  }
  const guarded = requireEdge(app, async header => header === 'secret')

  it('passes requests that came through CloudFront to the app', async () => {
    expect((await guarded(request({ [EDGE_HEADER]: 'secret' }))).response?.status).toBe(200)
  })

  it.each([{}, { [EDGE_HEADER]: 'guess' }])(
    'rejects other requests before the app runs: %j',
    async headers => {
      calls = 0
      const { response, code } = await guarded(request(headers))

      expect([response?.status, code, calls]).toEqual([403, 'DENIED', 0])
      expect(JSON.parse(String(response?.body)).errors[0].code).toBe('DENIED')
    },
  )

  it('responds 503 and reports a fault while the secrets cannot be read', async () => {
    calls = 0
    const down = requireEdge(app, () => Promise.reject(new Error('SSM is down')))
    const { response, code, fault } = await down(request({ [EDGE_HEADER]: 'secret' }))

    expect([response?.status, code, calls]).toEqual([503, 'UNAVAILABLE', 0])
    expect(response?.headers['retry-after']).toBe('1')
    expect(fault).toEqual(new Error('SSM is down'))
  })
})

describe('the request that requireEdge passes to the app', () => {
  const passed = async (headers: Record<string, string>) => {
    let received: HttpRequest | undefined
    const app: App = async request => {
      received = request
      return { response: { status: 200, headers: {} } }
    }
    await requireEdge(app, async () => true)({ ...request(headers), remote: '10.0.0.1' })
    return { origin: received?.origin?.url, remote: received?.remote }
  }

  it('has the origin that the client used', async () => {
    expect((await passed({ 'x-longshore-host': 'registry.example' })).origin).toBe('https://registry.example')
  })

  it.each([
    ['203.0.113.7, 130.176.1.1', '203.0.113.7'],
    ['6.6.6.6, 203.0.113.7, 130.176.1.1', '203.0.113.7'],
    ['', '10.0.0.1'],
  ])('has the client address from X-Forwarded-For %j', async (forwardedFor, remote) => {
    expect((await passed({ 'x-forwarded-for': forwardedFor })).remote).toBe(remote)
  })
})
