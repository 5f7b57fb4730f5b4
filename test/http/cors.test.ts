import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { App } from '../../lambda/http/app.ts'
import { withCors } from '../../lambda/http/cors.ts'
import { basic, openGuarded, PASSWORD } from '../support/auth.ts'
import { openRegistry } from '../support/registry.ts'

const PAGE = 'https://ui.example'
const OTHERS = [
  'https://evil.example',
  'http://ui.example',
  'https://ui.example:8443',
  'https://ui.example.evil.example',
  'HTTPS://UI.EXAMPLE',
  'null',
  '*',
]
const preflightOf = (origin: string) => ({ origin, 'access-control-request-method': 'DELETE' })

describe('a listed page', () => {
  it('is answered before it sends a login', async () => {
    const { as } = await openGuarded({ corsOrigins: [PAGE] })
    for (const path of ['/v2/', '/v2/app/manifests/v1', '/api/users', '/nowhere']) {
      const { status, headers, bytes } = await as(preflightOf(PAGE), 'OPTIONS', path)
      expect([status, bytes.length]).toEqual([204, 0])
      expect(headers).toMatchObject({
        'access-control-allow-origin': PAGE,
        'access-control-allow-credentials': 'true',
        'access-control-allow-methods': expect.stringContaining('DELETE'),
        'access-control-allow-headers': expect.stringMatching(/Accept.*Authorization/),
        vary: 'Origin',
      })
    }
  })

  it.each(['Docker-Content-Digest', 'Link', 'WWW-Authenticate', 'Location', 'Range', 'OCI-Subject'])(
    'reads the header %s, also of a refusal',
    async header => {
      const { as } = await openGuarded({ corsOrigins: [PAGE] })
      const { status, headers } = await as({ origin: PAGE }, 'GET', '/v2/_catalog')
      expect(status).toBe(401)
      expect(headers['access-control-expose-headers']?.split(', ')).toContain(header)
      expect(headers['access-control-allow-origin']).toBe(PAGE)
    },
  )

  it('may change something, with a login', async () => {
    const { as } = await openGuarded({ corsOrigins: [PAGE] })
    const page = { origin: PAGE, 'sec-fetch-site': 'cross-site' }
    const made = await as({ ...page, ...basic('root', PASSWORD) }, 'POST', '/v2/app/blobs/uploads/')
    expect(made.status).toBe(202)
    expect((await as(page, 'POST', '/v2/app/blobs/uploads/')).status).toBe(401)
  })
})

describe('a page that is not listed', () => {
  it.each(OTHERS)('%s is told nothing by which a browser lets it read', async origin => {
    const { as } = await openGuarded({ corsOrigins: [PAGE] })
    const read = await as({ origin }, 'GET', '/v2/')
    const asked = await as(preflightOf(origin), 'OPTIONS', '/v2/')
    expect(asked.status).toBe(405)
    for (const { headers } of [read, asked]) {
      expect(Object.keys(headers).filter(name => name.startsWith('access-control-'))).toEqual([])
      expect(headers.vary).toBe('Origin')
    }
  })

  it.each(OTHERS)('%s cannot change anything, whatever login the browser adds', async origin => {
    const { as } = await openGuarded({ corsOrigins: [PAGE] })
    const login = basic('root', PASSWORD)
    for (const path of ['/api/users/ann', '/api/repositories/app', '/v2/app/manifests/v1']) {
      const answer = await as({ origin, 'sec-fetch-site': 'cross-site', ...login }, 'DELETE', path)
      expect([answer.status, answer.code]).toEqual([403, 'DENIED'])
    }
  })
})

it('answers are as they were where no page is listed', async () => {
  const answer = await openRegistry().get('/v2/', { origin: PAGE })
  expect(answer.headers).not.toHaveProperty('vary')
  expect(answer.headers).not.toHaveProperty('access-control-allow-origin')
})

it('an origin is granted exactly when it is listed', async () => {
  const app: App = async () => ({ response: { status: 200, headers: { vary: 'Accept' } } })
  const origins = fc.webUrl().map(url => new URL(url).origin)
  await fc.assert(
    fc.asyncProperty(fc.array(origins, { minLength: 1 }), origins, async (listed, origin) => {
      const request = { method: 'GET', path: '/', query: new URLSearchParams(), body: [] as never }
      const { response } = await withCors(app, listed)({ ...request, headers: { origin } })
      const granted = response?.headers['access-control-allow-origin']
      expect(granted).toBe(listed.includes(origin) ? origin : undefined)
      expect(response?.headers.vary).toBe('Accept, Origin')
    }),
  )
})
