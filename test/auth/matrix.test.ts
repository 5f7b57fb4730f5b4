import { beforeAll, describe, expect, it } from 'vitest'
import type { RouteAction } from '../../lambda/auth/policy/actions.ts'
import { routes } from '../../lambda/routes/index.ts'
import { basic, bearer, type Guarded, openGuarded, PASSWORD } from '../support/auth.ts'
import { digest, imageOf } from '../support/content.ts'

const POLICY = {
  rules: [
    { name: 'public', who: ['anonymous'], may: ['pull'], on: ['public/*'] },
    { name: 'readers', who: ['user:reader'], may: ['pull'], on: ['public/*', 'private/*'] },
    {
      name: 'writers',
      who: ['user:writer'],
      may: ['pull', 'push', 'create-tag', 'overwrite-tag'],
      on: ['public/*', 'private/*'],
    },
    { name: 'sweepers', who: ['user:sweeper'], may: ['pull', 'delete'], on: ['public/*', 'private/*'] },
    {
      name: 'another team',
      who: ['user:other'],
      may: ['pull', 'push', 'create-tag', 'delete'],
      on: ['other/*'],
    },
  ],
}

/** How long failed logins count. */
const FAILURE_WINDOW_MS = 5 * 60_000
const TWO_HOURS_MS = 2 * 60 * 60_000

/** The decision of the authorizer. */
type Verdict = 'allowed' | 'challenged' | 'denied'
const NAMES = ['reader', 'writer', 'sweeper', 'other', 'root']

/** The route actions that each caller may perform in public and in private repositories. */
const RIGHTS: Record<string, { public: RouteAction[]; private: RouteAction[] }> = {
  anonymous: { public: ['pull'], private: [] },
  reader: { public: ['pull'], private: ['pull'] },
  writer: { public: ['pull', 'push'], private: ['pull', 'push'] },
  sweeper: { public: ['pull', 'delete'], private: ['pull', 'delete'] },
  other: { public: ['pull'], private: [] },
  root: { public: ['pull', 'push', 'delete', 'admin'], private: ['pull', 'push', 'delete', 'admin'] },
}

/** The expected decision, which depends only on the action of the route. */
function expectedVerdict(who: string, action: RouteAction, kind: 'public' | 'private'): Verdict {
  const isKnown = RIGHTS[who] !== undefined && who !== 'anonymous'
  if (!isKnown && who !== 'anonymous') return 'challenged' // the credentials are not valid
  if (action === 'ping' || action === 'list' || action === 'self') return isKnown ? 'allowed' : 'challenged'
  if (RIGHTS[who]?.[kind].includes(action)) return 'allowed'
  return isKnown ? 'denied' : 'challenged'
}

const LAYER = digest('layer')
const FILLED: Record<string, string> = {
  digest: LAYER,
  reference: 'new',
  existing: 'v1',
  upload: '00000000-0000-4000-8000-000000000000',
  account: 'nobody',
}

describe('every route, for every caller, in public and private repositories', () => {
  let guarded: Guarded
  let credentials: Record<string, Record<string, string>>
  beforeAll(async () => {
    guarded = await openGuarded()
    const { as, setPolicy } = guarded
    for (const name of NAMES.slice(0, -1)) await guarded.addUser(name)
    await setPolicy(POLICY)
    for (const name of ['public/app', 'private/app']) {
      for (const blob of ['{}', 'layer'])
        await as(basic('root', PASSWORD), 'POST', `/v2/${name}/blobs/uploads/?digest=${digest(blob)}`, {
          body: blob,
        })
      const headers = { 'content-type': 'application/vnd.oci.image.manifest.v1+json' }
      const sent = { headers, body: imageOf(['layer']) }
      expect((await as(basic('root', PASSWORD), 'PUT', `/v2/${name}/manifests/v1`, sent)).status).toBe(201)
    }
    const expired = bearer(await guarded.tokenFor(basic('root', PASSWORD), 'repository:private/app:*'))
    guarded.wait(TWO_HOURS_MS)
    credentials = {
      anonymous: {},
      'wrong password': basic('writer', 'wrong password'),
      nobody: basic('who', PASSWORD),
      expired,
      'no token': bearer('eyJhbGciOiJub25lIn0.e30.'),
      garbage: { authorization: 'Basic !!!' },
      'another scheme': { authorization: 'Digest x' },
      ...Object.fromEntries(NAMES.map(name => [name, basic(name, PASSWORD)])),
    }
  })

  /** The decision of the authorizer. A route may still fail for other reasons after it. */
  function verdictOf({ status, headers, exchange: { code } }: Awaited<ReturnType<Guarded['as']>>): Verdict {
    if (status === 401) {
      expect([code, headers['www-authenticate']]).toEqual([
        'UNAUTHORIZED',
        expect.stringMatching(
          /^Bearer realm="https:\/\/registry\.example\/token",service="registry\.example"/,
        ),
      ])
      return 'challenged'
    }
    return status === 403 ? 'denied' : 'allowed'
  }

  // The token service checks credentials itself: test/auth/tokens/token-service.test.ts.
  const guardedRoutes = routes.filter(({ action }) => action !== 'none')
  const cases = guardedRoutes.flatMap(({ method, path, action }) =>
    (['public', 'private'] as const).flatMap(kind =>
      [
        'anonymous',
        'wrong password',
        'nobody',
        'expired',
        'no token',
        'garbage',
        'another scheme',
        ...NAMES,
      ].map(who => ({ method, path, action, kind, who })),
    ),
  )

  it.each(cases)('$method $path ($kind) by $who', async ({ method, path, action, kind, who }) => {
    const target = path.replace(/<(\w+)>/g, (_, part) =>
      part === 'name' ? `${kind}/app` : (FILLED[part] ?? ''),
    )
    // Nothing is deleted, so that each case runs on the same registry.
    const absent = (present: string) =>
      present
        .replace('v1', 'gone')
        .replace(LAYER, digest('gone'))
        .replace(/(repositories\/\w+\/)app/, '$1gone')
    const safeTarget = method === 'DELETE' ? absent(target) : target
    if (who === 'wrong password' || who === 'nobody') guarded.wait(FAILURE_WINDOW_MS) // so that they are not limited
    const response = await guarded.as(credentials[who] ?? {}, method, safeTarget)

    expect(verdictOf(response)).toBe(expectedVerdict(who, action, kind))
    expect(response.status).toBeLessThan(500)
    if (response.status === 403 && method !== 'HEAD' && path.startsWith('/v2/<name>'))
      expect(response.detail).toMatchObject({
        repository: `${kind}/app`,
        action: action === 'admin' ? 'administer' : action,
      })
  })

  const openRoutes = routes.filter(({ action, path }) => action === 'none' && path !== '/token')
  const openCases = openRoutes.flatMap(({ method, path }) =>
    ['anonymous', 'wrong password', 'nobody', 'expired', 'garbage', ...NAMES].map(who => ({
      method,
      path,
      who,
    })),
  )

  it.each(openCases)('$method $path ignores the credentials of $who', async ({ method, path, who }) => {
    const { status } = await guarded.as(credentials[who] ?? {}, method, path)
    expect(status).toBe(200)
  })

  it('only these routes require no login', () => {
    const open = routes
      .filter(({ action }) => action === 'none')
      .map(({ method, path }) => `${method} ${path}`)
    expect(open.sort()).toEqual([
      'GET /',
      'GET /api/openapi.json',
      'GET /healthz',
      'GET /token',
      'HEAD /',
      'HEAD /healthz',
      'POST /token',
    ])
  })

  it.each(['anonymous', 'wrong password', 'expired', 'garbage', ...NAMES])(
    'the API document is the same for %s',
    async who => {
      const { status, text } = await guarded.as(credentials[who] ?? {}, 'GET', '/api/openapi.json')
      const { text: toAnonymous } = await guarded.as({}, 'GET', '/api/openapi.json')
      expect([status, text]).toEqual([200, toAnonymous])
    },
  )

  it('a token has the rights of the password within its scope', async () => {
    const token = await guarded.tokenFor(basic('writer', PASSWORD), 'repository:private/app:pull,push,delete')
    const manifest = '/v2/private/app/manifests/v1'
    expect((await guarded.as(bearer(token), 'GET', manifest)).status).toBe(200)
    expect((await guarded.as(bearer(token), 'POST', '/v2/private/app/blobs/uploads/')).status).toBe(202)
    expect((await guarded.as(bearer(token), 'DELETE', manifest)).status).toBe(403)
    const elsewhere = await guarded.as(bearer(token), 'GET', '/v2/public/app/manifests/v1')
    expect([elsewhere.status, elsewhere.headers['www-authenticate']]).toEqual([
      401,
      expect.stringContaining('scope="repository:public/app:pull",error="insufficient_scope"'),
    ])
  })

  it('a token, also of an administrator, gives no access to accounts and the policy', async () => {
    const token = await guarded.tokenFor(
      basic('root', PASSWORD),
      'repository:private/app:*',
      'registry:catalog:*',
    )
    for (const path of ['/api/me', '/api/users', '/api/policy']) {
      const response = await guarded.as(bearer(token), 'GET', path)
      expect([response.status, response.headers['www-authenticate']]).toEqual([
        401,
        expect.stringContaining('insufficient_scope'),
      ])
    }
  })

  it('an existing and a missing repository look the same to a caller without pull access', async () => {
    for (const login of [{}, basic('other', PASSWORD), basic('other', 'wrong')])
      for (const method of ['GET', 'HEAD', 'PUT', 'DELETE']) {
        const existing = await guarded.as(login, method, '/v2/private/app/manifests/v1')
        const missing = await guarded.as(login, method, '/v2/private/no-such/manifests/v1')
        const plain = (text: string) => text.replaceAll('no-such', 'app')
        expect([
          missing.status,
          plain(missing.text),
          plain(JSON.stringify(missing.headers)).replace(/\d+/g, ''),
        ]).toEqual([existing.status, existing.text, JSON.stringify(existing.headers).replace(/\d+/g, '')])
      }
  })

  it('the catalog lists the repositories that the caller may pull', async () => {
    const catalog = async (login: Record<string, string>) =>
      (await guarded.as(login, 'GET', '/v2/_catalog')).json.repositories
    expect(await catalog(basic('reader', PASSWORD))).toEqual(['private/app', 'public/app'])
    expect(await catalog(basic('other', PASSWORD))).toEqual(['public/app'])
    expect(await catalog(bearer(await guarded.tokenFor({})))).toEqual(['public/app'])
  })
})
