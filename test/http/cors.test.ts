import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { App } from '../../lambda/http/app.ts'
import { withCors } from '../../lambda/http/cors.ts'
import { basic, openGuarded, PASSWORD } from '../support/auth.ts'
import { openRegistry } from '../support/registry.ts'

const LISTED = 'https://ui.example'
const UNLISTED = [
  'https://evil.example',
  'http://ui.example',
  'https://ui.example:8443',
  'https://ui.example.evil.example',
  'HTTPS://UI.EXAMPLE',
  'null',
  '*',
]
const preflightOf = (origin: string) => ({ origin, 'access-control-request-method': 'DELETE' })

describe('a page of a listed origin', () => {
  it('gets a response to a preflight request without a login', async () => {
    const { as } = await openGuarded({ corsOrigins: [LISTED] })
    for (const path of ['/v2/', '/v2/app/manifests/v1', '/api/users', '/nowhere']) {
      const { status, headers, bytes } = await as(preflightOf(LISTED), 'OPTIONS', path)
      expect([status, bytes.length]).toEqual([204, 0])
      expect(headers).toMatchObject({
        'access-control-allow-origin': LISTED,
        'access-control-allow-credentials': 'true',
        'access-control-allow-methods': expect.stringContaining('DELETE'),
        'access-control-allow-headers': expect.stringMatching(/Accept.*Authorization/),
        vary: 'Origin',
      })
    }
  })

  it.each(['Docker-Content-Digest', 'Link', 'WWW-Authenticate', 'Location', 'Range', 'OCI-Subject'])(
    'may read the header %s, also of an error response',
    async header => {
      const { as } = await openGuarded({ corsOrigins: [LISTED] })
      const { status, headers } = await as({ origin: LISTED }, 'GET', '/v2/_catalog')
      expect(status).toBe(401)
      expect(headers['access-control-expose-headers']?.split(', ')).toContain(header)
      expect(headers['access-control-allow-origin']).toBe(LISTED)
    },
  )

  it('may send requests that change something, with a login', async () => {
    const { as } = await openGuarded({ corsOrigins: [LISTED] })
    const page = { origin: LISTED, 'sec-fetch-site': 'cross-site' }
    const begun = await as({ ...page, ...basic('root', PASSWORD) }, 'POST', '/v2/app/blobs/uploads/')
    expect(begun.status).toBe(202)
    expect((await as(page, 'POST', '/v2/app/blobs/uploads/')).status).toBe(401)
  })
})

describe('a page of an origin that is not listed', () => {
  it.each(UNLISTED)('gets no CORS headers: %s', async origin => {
    const { as } = await openGuarded({ corsOrigins: [LISTED] })
    const read = await as({ origin }, 'GET', '/v2/')
    const preflight = await as(preflightOf(origin), 'OPTIONS', '/v2/')
    expect(preflight.status).toBe(405)
    for (const { headers } of [read, preflight]) {
      expect(Object.keys(headers).filter(name => name.startsWith('access-control-'))).toEqual([])
      expect(headers.vary).toBe('Origin')
    }
  })

  it.each(UNLISTED)('cannot change anything with the login that the browser adds: %s', async origin => {
    const { as } = await openGuarded({ corsOrigins: [LISTED] })
    const login = basic('root', PASSWORD)
    for (const path of ['/api/users/ann', '/api/repositories/app', '/v2/app/manifests/v1']) {
      const response = await as({ origin, 'sec-fetch-site': 'cross-site', ...login }, 'DELETE', path)
      expect([response.status, response.code]).toEqual([403, 'DENIED'])
      expect(response.detail?.reason).toMatch(/^cross-site request rejected: /)
    }
  })
})

it('responses have no CORS headers when no origin is listed', async () => {
  const { headers } = await openRegistry().get('/v2/', { origin: LISTED })
  expect(headers).not.toHaveProperty('vary')
  expect(headers).not.toHaveProperty('access-control-allow-origin')
})

it('withCors allows exactly the listed origins', async () => {
  const app: App = async () => ({ response: { status: 200, headers: { vary: 'Accept' } } })
  const origins = fc.webUrl().map(url => new URL(url).origin)
  await fc.assert(
    fc.asyncProperty(fc.array(origins, { minLength: 1 }), origins, async (listed, origin) => {
      const request = { method: 'GET', path: '/', query: new URLSearchParams(), body: [] as never }
      const { response } = await withCors(app, listed)({ ...request, headers: { origin } })
      const allowed = response?.headers['access-control-allow-origin']
      expect(allowed).toBe(listed.includes(origin) ? origin : undefined)
      expect(response?.headers.vary).toBe('Accept, Origin')
    }),
  )
})
