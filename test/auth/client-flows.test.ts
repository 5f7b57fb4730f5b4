import { beforeEach, describe, expect, it } from 'vitest'
import { basic, bearer, PASSWORD } from '../support/auth.ts'
import { type ClientFlow, challengeOf, openClientFlow, SERVICE } from '../support/client-flow.ts'
import { digest } from '../support/content.ts'

const HOUR = 60 * 60 * 1000
const PULL = 'repository:team/app:pull'
const PUSH = 'repository:team/app:pull,push'
const BASE = 'repository:base:pull'
const MANIFEST = '/v2/team/app/manifests/1'
/** The digest of the empty config of OCI artifacts. */
const EMPTY = digest('{}')
const ANN = basic('ann', PASSWORD)

let guarded: ClientFlow['guarded']
let { expectToken, get, post, ping, beginUpload } = {} as ClientFlow
beforeEach(async () => {
  ;({ guarded, expectToken, get, post, ping, beginUpload } = await openClientFlow())
})

describe('Docker Engine', () => {
  it('logs in with a ping, a token without a scope, and a second ping that must have the status 200', async () => {
    expect(challengeOf(await ping())).toEqual({ realm: 'https://registry.example/token', service: SERVICE })
    const query: [string, string][] = [
      ['account', 'ann'],
      ['client_id', 'docker'],
      ['offline_token', 'true'],
    ]
    const { token, refresh_token } = expectToken(await get(ANN, ...query))
    expect(refresh_token).toMatch(/^lsr_/)
    expect((await ping(bearer(token))).status).toBe(200)
  })

  it('gets 401 with a detail for a wrong password, which it does not retry', async () => {
    const { status, code, detail } = await get(basic('ann', 'wrong horse'), ['account', 'ann'])
    expect([status, code]).toEqual([401, 'UNAUTHORIZED'])
    expect(detail).toBeDefined()
  })

  it('pushes with the challenge of the ping and a scope that it builds itself', async () => {
    challengeOf(await ping())
    const query: [string, string][] = [
      ['account', 'ann'],
      ['scope', 'repository:team/app:push,pull'],
    ]
    const { token } = expectToken(await get(ANN, ...query))
    expect((await beginUpload(token)).status).toBe(202)
  })

  it('pushes with the refresh token of its login', async () => {
    const { refresh_token = '' } = expectToken(await get(ANN, ['offline_token', 'true']))
    guarded.wait(2 * HOUR)
    const fields = { grant_type: 'refresh_token', refresh_token, client_id: 'docker', scope: PUSH }
    expect((await beginUpload(expectToken(await post(fields)).token)).status).toBe(202)
  })

  it('requests one token for the repository and the source of a mount', async () => {
    await guarded.as(ANN, 'POST', `/v2/base/blobs/uploads/?digest=${EMPTY}`, { body: '{}' })
    const { token } = expectToken(await get(ANN, ['scope', PUSH], ['scope', BASE]))
    expect((await beginUpload(token, `?mount=${EMPTY}&from=base`)).status).toBe(201)
  })

  it('continues an upload with an expired token, because the URL contains an upload token', async () => {
    const { token } = expectToken(await get(ANN, ['scope', PUSH]))
    const { headers } = await beginUpload(token)
    guarded.wait(2 * HOUR)
    const patched = await guarded.as(bearer(token), 'PATCH', headers.location ?? '', { body: '{}' })
    expect([patched.status, patched.headers.range]).toEqual([202, '0-1'])
    const put = await guarded.as(bearer(token), 'PUT', `${patched.headers.location}&digest=${EMPTY}`)
    expect(put.status).toBe(201)
  })

  it.each([
    ['a missing login', () => guarded.request('POST', '/v2/team/app/blobs/uploads/')],
    ['an invalid token', () => guarded.as(bearer('none'), 'POST', '/v2/team/app/blobs/uploads/')],
    ['a token for pull', async () => beginUpload(expectToken(await get(ANN, ['scope', PULL])).token)],
    ['a denial by the policy', () => guarded.as(ANN, 'POST', '/v2/other/blobs/uploads/')],
    [
      'too many wrong passwords',
      async () => {
        for (let i = 0; i < 10; i++) await get(basic('ann', `wrong ${i}`))
        return get(ANN)
      },
    ],
  ])('gets a detail for %s, without which it would retry for 50 s', async (_, send) => {
    const { status, detail } = await send()
    expect([401, 403, 429]).toContain(status)
    expect(detail).toEqual(expect.any(Object))
  })
})

describe('containerd and BuildKit', () => {
  const login = { grant_type: 'password', username: 'ann', password: PASSWORD }

  it.each(['containerd-client', 'buildkit-client'])(
    'take the scope from the challenge of the request, and send a form (%s)',
    async client_id => {
      const { scope = '', service } = challengeOf(await guarded.head(MANIFEST))
      expect([scope, service]).toEqual([PULL, SERVICE])
      const { token } = expectToken(await post({ ...login, client_id, scope }))
      expect((await guarded.as(bearer(token), 'HEAD', MANIFEST)).status).toBe(404)
    },
  )

  it('join several scopes with spaces for a mount', async () => {
    await guarded.as(ANN, 'POST', `/v2/base/blobs/uploads/?digest=${EMPTY}`, { body: '{}' })
    const scope = `${BASE} ${PUSH}`
    const { token } = expectToken(await post({ ...login, client_id: 'containerd-client', scope }))
    expect((await beginUpload(token, `?mount=${EMPTY}&from=base`)).status).toBe(201)
  })

  it('get a refresh token on request, and push with it', async () => {
    const offline = { ...login, client_id: 'buildkit-client', access_type: 'offline' }
    const { refresh_token = '' } = expectToken(await post(offline))
    const fields = { grant_type: 'refresh_token', refresh_token, client_id: 'buildkit-client', scope: PUSH }
    expect((await beginUpload(expectToken(await post(fields)).access_token)).status).toBe(202)
  })

  it('pull anonymously by GET, without a login', async () => {
    const { token } = expectToken(await get({}, ['scope', 'repository:public/app:pull']))
    expect((await guarded.as(bearer(token), 'HEAD', '/v2/public/app/manifests/1')).status).toBe(404)
  })

  it('get 401 for a wrong password, and not a status at which they try GET', async () => {
    const { status } = await post({ ...login, password: 'wrong horse', client_id: 'buildkit-client' })
    expect([400, 404, 405]).not.toContain(status)
    expect(status).toBe(401)
  })

  it('get the error invalid_token for an expired token, at which they request another', async () => {
    const { token } = expectToken(await post({ ...login, scope: PUSH }))
    guarded.wait(2 * HOUR)
    expect(challengeOf(await beginUpload(token))).toMatchObject({ error: 'invalid_token', scope: PUSH })
  })
})

describe('containers/image: skopeo, podman, Buildah', () => {
  it('log in with a ping with Basic credentials', async () => {
    expect((await ping(ANN)).status).toBe(200)
    expect((await ping(basic('ann', 'wrong horse'))).status).toBe(401)
  })

  it('request a token with Basic credentials, account and scope after the challenge of the ping', async () => {
    expect(challengeOf(await ping())).not.toHaveProperty('scope')
    const { token } = expectToken(await get(ANN, ['account', 'ann'], ['scope', PUSH]))
    expect((await beginUpload(token)).status).toBe(202)
  })

  it('request a token with a refresh token by POST', async () => {
    const { refresh_token = '' } = expectToken(await get(ANN, ['offline_token', 'true']))
    const fields = { grant_type: 'refresh_token', refresh_token, client_id: 'containers/image', scope: PULL }
    expect((await guarded.as(bearer(expectToken(await post(fields)).token), 'GET', MANIFEST)).status).toBe(
      404,
    )
  })

  it('get the error insufficient_scope and the needed scope for a token with too small a scope', async () => {
    const { token } = expectToken(await get(ANN, ['account', 'ann'], ['scope', PULL]))
    expect(challengeOf(await beginUpload(token))).toMatchObject({ error: 'insufficient_scope', scope: PUSH })
  })
})

describe('go-containerregistry: crane, ko, cosign, kaniko', () => {
  it('requests push before pull, and a scope for each source of a mount', async () => {
    challengeOf(await ping())
    const query: [string, string][] = [
      ['scope', 'repository:team/app:push,pull'],
      ['scope', BASE],
    ]
    const { token } = expectToken(await get(ANN, ...query))
    expect((await beginUpload(token)).status).toBe(202)
    expect((await guarded.as(bearer(token), 'GET', '/v2/base/manifests/1')).status).toBe(404)
  })

  it('requests another token after a 401 and pushes the manifest again', async () => {
    const { token } = expectToken(await get(ANN, ['scope', PUSH]))
    guarded.wait(2 * HOUR)
    const put = (credential: string) =>
      guarded.as(bearer(credential), 'PUT', '/v2/team/app/manifests/1', {
        headers: { 'content-type': 'application/vnd.oci.image.index.v1+json' },
        body: '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}',
      })
    challengeOf(await put(token))
    expect((await put(expectToken(await get(ANN, ['scope', PUSH])).token)).status).toBe(201)
  })
})

describe('oras and helm', () => {
  it('log in with a challenge and a token without a scope', async () => {
    expect(challengeOf(await ping())).not.toHaveProperty('scope')
    expect((await ping(bearer(expectToken(await get(ANN)).token))).status).toBe(200)
  })

  it('request a token by an OAuth 2 form (helm)', async () => {
    const fields = { grant_type: 'password', username: 'ann', password: PASSWORD, client_id: 'oras-go' }
    expect((await ping(bearer(expectToken(await post(fields)).access_token))).status).toBe(200)
  })

  it('repeat the Authorization header of the POST in the PUT, which must not fail after its expiry', async () => {
    const { token } = expectToken(await get(ANN, ['scope', PUSH]))
    const { headers } = await beginUpload(token)
    guarded.wait(2 * HOUR)
    const put = await guarded.as(bearer(token), 'PUT', `${headers.location}&digest=${EMPTY}`, { body: '{}' })
    expect(put.status).toBe(201)
  })
})

describe('regclient', () => {
  it('requests pull first and push later, after the challenge of each request', async () => {
    expect(challengeOf(await guarded.head(MANIFEST)).scope).toBe(PULL)
    const { token } = expectToken(await get(ANN, ['client_id', 'regclient'], ['scope', PULL]))
    const { scope = '' } = challengeOf(await beginUpload(token))
    expect((await beginUpload(expectToken(await get(ANN, ['scope', scope])).token)).status).toBe(202)
  })

  it('mounts without a source, and gets an upload session if it may not', async () => {
    const { token } = expectToken(await get(ANN, ['scope', PUSH]))
    expect((await beginUpload(token, `?mount=${EMPTY}`)).status).toBe(202)
  })
})

describe('jib', () => {
  it('reads only realm and service of a challenge, and builds the scopes itself', async () => {
    const header = (await ping()).headers['www-authenticate'] ?? ''
    expect(/realm="([^"]*)"/.exec(header)?.[1]).toBe('https://registry.example/token')
    expect(/service="([^"]*)"/.exec(header)?.[1]).toBe(SERVICE)
    const { token } = expectToken(await get(ANN, ['scope', PUSH], ['scope', BASE]))
    expect((await beginUpload(token)).status).toBe(202)
  })

  it('can send Basic credentials with every request', async () => {
    expect((await guarded.as(ANN, 'POST', '/v2/team/app/blobs/uploads/')).status).toBe(202)
  })

  it('requests a token with a refresh token by POST', async () => {
    const { refresh_token = '' } = expectToken(await get(ANN, ['offline_token', 'true']))
    const fields = { grant_type: 'refresh_token', refresh_token, client_id: 'jib', scope: PUSH }
    expect((await beginUpload(expectToken(await post(fields)).token)).status).toBe(202)
  })
})
