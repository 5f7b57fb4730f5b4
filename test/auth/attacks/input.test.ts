import { beforeEach, describe, expect, it, vi } from 'vitest'
import { matchesGlob } from '../../../lambda/auth/policy/glob.ts'
import { parsePolicy } from '../../../lambda/auth/policy/policy.ts'
import { OCI_IMAGE, OCI_INDEX } from '../../../lambda/protocol/media-types.ts'
import { basic, bearer, type Guarded, openGuarded, PASSWORD } from '../../support/auth.ts'
import { digest, imageOf, indexOf } from '../../support/content.ts'
import { processorTime } from '../../support/processor-time.ts'
import { openRegistry } from '../../support/registry.ts'

/*
 * Known vulnerabilities of other registries, tried on this one: malicious input. Vulnerabilities of user interfaces,
 * webhooks and upstream registries are left out, because this registry has none of them.
 */

const ROOT = basic('root', PASSWORD)

let guarded: Guarded
beforeEach(async () => {
  guarded = await openGuarded()
})
const send = (method: string, target: string, body = '', headers: Record<string, string> = {}) =>
  guarded.as(ROOT, method, target, { body, headers })

describe('a script in a request (CVE-2025-32019, CVE-2024-22244, CVE-2023-4956)', () => {
  const SCRIPT = '<script>alert(1)</script>'
  it.each([
    ['GET', `/v2/${SCRIPT}/tags/list`],
    ['GET', `/v2/app/manifests/${SCRIPT}`],
    ['GET', `/v2/app/blobs/${SCRIPT}`],
    ['GET', `/${SCRIPT}`],
    ['DELETE', `/api/users/${encodeURIComponent(SCRIPT)}`],
    ['GET', `/token?scope=${SCRIPT}&service=${SCRIPT}`],
  ])('is not sent back as HTML: %s %s', async (method, target) => {
    const { headers } = await send(method, target)
    expect(headers).toMatchObject({ 'content-type': 'application/json', 'x-content-type-options': 'nosniff' })
  })

  it('is not sent back as HTML from a blob', async () => {
    const html = `<html>${SCRIPT}</html>`
    await send('POST', `/v2/app/blobs/uploads/?digest=${digest(html)}`, html)
    const { headers } = await send('GET', `/v2/app/blobs/${digest(html)}`)
    expect(headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'x-content-type-options': 'nosniff',
    })
  })
})

describe('a cross-site request with the login of a browser (CVE-2019-19025)', () => {
  const USER = '{"name":"eve","password":"a=bcdefgh","admin":true}'
  const addUser = (headers: Record<string, string>) =>
    send('POST', '/api/users', USER, { 'content-type': 'text/plain', ...headers })

  it.each([
    { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' },
    { 'sec-fetch-site': 'same-site', origin: 'https://evil.registry.example' },
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: 'https://registry.example.evil.example' },
  ])('adds no account: %j', async headers => {
    const { status, code } = await addUser(headers)
    expect([status, code]).toEqual([403, 'DENIED'])
    expect((await send('GET', '/api/users')).text).not.toContain('eve')
  })

  it('adds no account if authentication is disabled', async () => {
    const headers = { 'sec-fetch-site': 'cross-site' }
    expect((await openRegistry().request('POST', '/api/users', { body: USER, headers })).status).toBe(403)
  })

  it.each([{}, { 'sec-fetch-site': 'same-origin' }, { origin: 'https://registry.example' }])(
    'is not assumed for a request of the same origin or of a program: %j',
    async headers => {
      expect((await addUser(headers)).status).toBe(201)
    },
  )
})

describe('a redirect to another host (CVE-2023-3384)', () => {
  it.each(['//evil.example/', '/\\evil.example', '/v2//evil.example/', '/v2/?next=//evil.example'])(
    'does not result from the path %s',
    async target => {
      expect((await send('GET', target)).headers.location ?? '').not.toContain('evil')
    },
  )
})

describe('a request that costs much memory or time (CVE-2023-2253)', () => {
  it.each(['99999999999999999999', '1e9', '-1', 'NaN', '0x7fffffff'])(
    'has no error for n=%s in a list',
    async n => {
      for (const target of ['/v2/_catalog', '/v2/app/tags/list'])
        expect((await send('GET', `${target}?n=${n}`)).status).toBeLessThan(500)
    },
  )

  it.each([
    ['POST', '/token', 64 * 1024],
    ['PUT', '/api/policy', 512 * 1024],
    ['POST', '/api/users', 512 * 1024],
    ['PUT', '/v2/app/manifests/v1', 4 * 1024 * 1024],
  ])('is rejected with 413 if its body is too long: %s %s', async (method, target, maxLength) => {
    const { status, code } = await send(method, target, 'x'.repeat(maxLength + 1), {
      'content-type': OCI_IMAGE,
    })
    expect([status, code]).toEqual([413, 'CONTENT_TOO_LARGE'])
  })

  it.each([0, 1, 10])('makes few queries for n=%s, although the caller may see no repository', async n => {
    await guarded.table.transact(
      ...Array.from({ length: 100 }, (_, i) => ({
        put: { partition: 'repositories', sort: `hidden/${i}`, created: 0, updated: 1 },
      })),
    )
    await guarded.setPolicy({ rules: [{ name: 'r', who: ['anonymous'], may: ['pull'], on: ['**/none'] }] })
    const query = vi.spyOn(guarded.table, 'query')
    const token = bearer(await guarded.tokenFor({}, 'registry:catalog:*'))
    const { json } = await guarded.as(token, 'GET', `/v2/_catalog?n=${n}`)
    expect(json.repositories).toEqual([])
    expect(query.mock.calls.length).toBeLessThan(3)
  })

  it('handles deeply nested indexes of indexes', async () => {
    let inner = indexOf([])
    const put = (document: string) =>
      send('PUT', `/v2/app/manifests/${digest(document)}`, document, { 'content-type': OCI_INDEX })
    await put(inner)
    for (let depth = 0; depth < 30; depth++) {
      inner = indexOf([inner, inner])
      expect((await put(inner)).status).toBe(201)
    }
    expect((await send('DELETE', `/v2/app/manifests/${digest(inner)}`)).status).toBe(202)
  })

  it('is not caused by a pattern with many stars', async () => {
    const time = await processorTime(() => {
      expect(matchesGlob(`${'**a'.repeat(80)}b`, 'a'.repeat(255))).toBe(false)
      expect(matchesGlob(`${'*'.repeat(255)}b`, 'a'.repeat(255))).toBe(false)
    })
    expect(time).toBeLessThan(1_000)
  })

  it('is rejected with 400 if its JSON is nested very deeply', async () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
    for (const [method, target] of [
      ['POST', '/api/users'],
      ['PUT', '/api/policy'],
      ['PUT', '/v2/app/manifests/v1'],
    ] as const)
      expect((await send(method, target, deep, { 'content-type': OCI_IMAGE })).status).toBe(400)
  })
})

describe('an ambiguous manifest (CVE-2021-41190, CVE-2025-24882)', () => {
  it.each([
    ['layers and manifests', imageOf([], { manifests: [] }), OCI_IMAGE],
    ['another media type than its Content-Type', imageOf([]), OCI_INDEX],
    ['a field twice', imageOf([]).replace('"layers":[]', '"layers":[],"Layers":[]'), OCI_IMAGE],
    ['bytes after its end', `${imageOf([])}{}`, OCI_IMAGE],
  ])('is rejected: %s', async (_, document, type) => {
    await send('POST', `/v2/app/blobs/uploads/?digest=${digest('{}')}`, '{}')
    expect((await send('PUT', '/v2/app/manifests/v1', document, { 'content-type': type })).status).toBe(400)
  })

  it('is not stored under another digest (CVE-2024-3727)', async () => {
    const named = digest(indexOf([], { annotations: { other: 'yes' } }))
    for (const reference of [named, `sha256:${'A'.repeat(64)}`, 'sha256:../../../../etc/passwd']) {
      const put = await send('PUT', `/v2/app/manifests/${reference}`, indexOf([]), {
        'content-type': OCI_INDEX,
      })
      expect([400, 404]).toContain(put.status)
    }
  })
})

describe('a repository name that contains a path (CVE-2024-4956)', () => {
  it.each([
    '..',
    '../..',
    'a/../b',
    '%2e%2e/b',
    'a/%2e%2e/%2e%2e/etc',
    'a//b',
    '/a',
    'a%00b',
    'a\\b',
    '_catalog',
    'A',
    'a#tag',
    'repository#a',
  ])('is rejected: %s', async name => {
    for (const target of [
      `/v2/${name}/tags/list`,
      `/v2/${name}/blobs/${digest('x')}`,
      `/api/repositories/${name}`,
    ])
      for (const method of ['GET', 'DELETE']) {
        const { status } = await send(method, target)
        expect([400, 404, 405]).toContain(status)
      }
    expect((await send('POST', `/v2/${name}/blobs/uploads/`)).status).toBe(400)
  })
})

describe('an invalid account name', () => {
  it.each(['%C3%A9', '%00', '%0A', 'x'.repeat(1_500), '__proto__', 'ROOT', '..'])(
    'is not found: %s',
    async name => {
      for (const [method, target, body] of [
        ['DELETE', `/api/users/${name}`, ''],
        ['PATCH', `/api/users/${name}`, '{"groups":[]}'],
        ['DELETE', `/api/robots/${name}`, ''],
        ['POST', `/api/robots/${name}/key`, ''],
      ] as const)
        expect((await send(method, target, body)).status).toBe(404)
    },
  )
})

describe('a bcrypt hash', () => {
  const add = (cost: string) => {
    const hash = `$2b$${cost}$${'a'.repeat(53)}`
    return send('POST', '/api/users', JSON.stringify({ name: 'ann', hash }))
  }

  it.each(['00', '03', '15', '31', '32', '99'])('of the invalid cost %s is rejected', async cost => {
    const { status, code } = await add(cost)
    expect([status, code]).toEqual([400, 'BAD_REQUEST'])
  })

  it.each(['04', '05', '10', '12', '14'])('of the cost %s is accepted', async cost => {
    expect((await add(cost)).status).toBe(201)
  })
})

describe('an invalid expiry', () => {
  it.each(['2027-12-31T00:00:00+05', '2027-12-31T00:00:00 -23', '2027-02-31T00:00:00 +0530'])(
    'is rejected for a robot: %s',
    async expires => {
      const robot = { name: 'ci', grants: [{ may: ['pull'], on: ['app'] }], expires }
      expect((await send('POST', '/api/robots', JSON.stringify(robot))).status).toBe(400)
    },
  )
})

describe('a policy', () => {
  it('with __proto__ or constructor is rejected, and changes no prototype', () => {
    const document = JSON.parse(
      '{"rules":[{"name":"x","who":["user:a"],"may":["pull"],"on":["a"],"claims":{"__proto__":"*","constructor":"*"}}],"__proto__":{"rules":[]}}',
    )
    expect(() => parsePolicy(document)).toThrow()
    expect(({} as Record<string, unknown>).rules).toBeUndefined()
  })

  it('contains no regular expressions', () => {
    expect(matchesGlob('(a+)+$', 'aaaa')).toBe(false)
    expect(matchesGlob('[a-z]', 'b')).toBe(false)
    expect(matchesGlob('.', 'b')).toBe(false)
  })
})
