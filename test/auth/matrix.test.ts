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

const SLOWED = 5 * 60_000
const TWO_HOURS = 2 * 60 * 60_000

type Verdict = 'in' | 'challenged' | 'denied'
const NAMES = ['reader', 'writer', 'sweeper', 'other', 'root']

/** What each may do, in the words of the routes, in public and in private repositories. */
const RIGHTS: Record<string, { public: RouteAction[]; private: RouteAction[] }> = {
  anonymous: { public: ['pull'], private: [] },
  reader: { public: ['pull'], private: ['pull'] },
  writer: { public: ['pull', 'push'], private: ['pull', 'push'] },
  sweeper: { public: ['pull', 'delete'], private: ['pull', 'delete'] },
  other: { public: ['pull'], private: [] },
  root: { public: ['pull', 'push', 'delete', 'admin'], private: ['pull', 'push', 'delete', 'admin'] },
}

/** Derived from what the route declares, and from nothing else. */
function expected(who: string, action: RouteAction, kind: 'public' | 'private'): Verdict {
  const isKnown = RIGHTS[who] !== undefined && who !== 'anonymous'
  if (!isKnown && who !== 'anonymous') return 'challenged' // what was shown proves nothing
  if (action === 'ping' || action === 'list' || action === 'self') return isKnown ? 'in' : 'challenged'
  if (RIGHTS[who]?.[kind].includes(action)) return 'in'
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

describe('every route, for everybody, in public and in private', () => {
  let guarded: Guarded
  let shown: Record<string, Record<string, string>>
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
    guarded.wait(TWO_HOURS)
    shown = {
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

  /** What the authorizer said; behind it a route may fail for reasons of its own. */
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
    return status === 403 ? 'denied' : 'in'
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
    // Deletes are asked about what is not there, so that every case meets the same registry.
    const gone = (there: string) =>
      there
        .replace('v1', 'gone')
        .replace(LAYER, digest('gone'))
        .replace(/(repositories\/\w+\/)app/, '$1gone')
    const asked = method === 'DELETE' ? gone(target) : target
    if (who === 'wrong password' || who === 'nobody') guarded.wait(SLOWED) // so often, it would have to wait
    const answer = await guarded.as(shown[who] ?? {}, method, asked)

    expect(verdictOf(answer)).toBe(expected(who, action, kind))
    expect(answer.status).toBeLessThan(500)
    if (answer.status === 403 && method !== 'HEAD' && path.startsWith('/v2/<name>'))
      expect(answer.detail).toMatchObject({
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

  it.each(openCases)('$method $path answers $who without looking at the login', async asked => {
    const { status } = await guarded.as(shown[asked.who] ?? {}, asked.method, asked.path)
    expect(status).toBe(200)
  })

  it('lets callers without a login read only the routes that need none', () => {
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
    'shows the same API document to %s',
    async who => {
      const { status, text } = await guarded.as(shown[who] ?? {}, 'GET', '/api/openapi.json')
      const { text: toAnybody } = await guarded.as({}, 'GET', '/api/openapi.json')
      expect([status, text]).toEqual([200, toAnybody])
    },
  )

  it('by a token is as by a password, for what the token was given for', async () => {
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

  it('by a token does not reach accounts and policy, whoever holds it', async () => {
    const token = await guarded.tokenFor(
      basic('root', PASSWORD),
      'repository:private/app:*',
      'registry:catalog:*',
    )
    for (const path of ['/api/me', '/api/users', '/api/policy']) {
      const answer = await guarded.as(bearer(token), 'GET', path)
      expect([answer.status, answer.headers['www-authenticate']]).toEqual([
        401,
        expect.stringContaining('insufficient_scope'),
      ])
    }
  })

  it('says the same of a repository that is there and of one that is not, to whoever may not see it', async () => {
    for (const login of [{}, basic('other', PASSWORD), basic('other', 'wrong')])
      for (const method of ['GET', 'HEAD', 'PUT', 'DELETE']) {
        const there = await guarded.as(login, method, '/v2/private/app/manifests/v1')
        const not = await guarded.as(login, method, '/v2/private/no-such/manifests/v1')
        const plain = (text: string) => text.replaceAll('no-such', 'app')
        expect([not.status, plain(not.text), plain(JSON.stringify(not.headers)).replace(/\d+/g, '')]).toEqual(
          [there.status, there.text, JSON.stringify(there.headers).replace(/\d+/g, '')],
        )
      }
  })

  it('lists to each what he may pull', async () => {
    const catalog = async (login: Record<string, string>) =>
      (await guarded.as(login, 'GET', '/v2/_catalog')).json.repositories
    expect(await catalog(basic('reader', PASSWORD))).toEqual(['private/app', 'public/app'])
    expect(await catalog(basic('other', PASSWORD))).toEqual(['public/app'])
    expect(await catalog(bearer(await guarded.tokenFor({})))).toEqual(['public/app'])
  })
})
