import { beforeEach, describe, expect, it } from 'vitest'
import { basic, bearer, PASSWORD } from '../support/auth.ts'
import { type ClientFlow, challengeOf, openClientFlow, SERVICE } from '../support/client-flow.ts'
import { digest } from '../support/content.ts'

const HOUR = 60 * 60 * 1000
const PULL = 'repository:team/app:pull'
const PUSH = 'repository:team/app:pull,push'
const BASE = 'repository:base:pull'
const MANIFEST = '/v2/team/app/manifests/1'
/** Of what every image of artifacts has for its config. */
const EMPTY = digest('{}')
const ANN = basic('ann', PASSWORD)

let guarded: ClientFlow['guarded']
let { expectToken, get, post, ping, beginUpload } = {} as ClientFlow
beforeEach(async () => {
  ;({ guarded, expectToken, get, post, ping, beginUpload } = await openClientFlow())
})

describe('Docker Engine', () => {
  it('logs in by a ping, a token without a scope, and the ping again, which must be exactly 200', async () => {
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

  it('is refused at the token with a code that it does not try again', async () => {
    const { status, code, detail } = await get(basic('ann', 'wrong horse'), ['account', 'ann'])
    expect([status, code]).toEqual([401, 'UNAUTHORIZED'])
    expect(detail).toBeDefined()
  })

  it('pushes by the challenge of the ping alone, with a scope that it makes itself', async () => {
    challengeOf(await ping())
    const query: [string, string][] = [
      ['account', 'ann'],
      ['scope', 'repository:team/app:push,pull'],
    ]
    const { token } = expectToken(await get(ANN, ...query))
    expect((await beginUpload(token)).status).toBe(202)
  })

  it('pushes by the refresh token that its login left it', async () => {
    const { refresh_token = '' } = expectToken(await get(ANN, ['offline_token', 'true']))
    guarded.wait(2 * HOUR)
    const fields = { grant_type: 'refresh_token', refresh_token, client_id: 'docker', scope: PUSH }
    expect((await beginUpload(expectToken(await post(fields)).token)).status).toBe(202)
  })

  it('asks once for the repository and for the one that it mounts from', async () => {
    await guarded.as(ANN, 'POST', `/v2/base/blobs/uploads/?digest=${EMPTY}`, { body: '{}' })
    const { token } = expectToken(await get(ANN, ['scope', PUSH], ['scope', BASE]))
    expect((await beginUpload(token, `?mount=${EMPTY}&from=base`)).status).toBe(201)
  })

  it('sends an expired token to the URL of an upload, which is its own proof', async () => {
    const { token } = expectToken(await get(ANN, ['scope', PUSH]))
    const { headers } = await beginUpload(token)
    guarded.wait(2 * HOUR)
    const sent = { body: '{}' }
    const patched = await guarded.as(bearer(token), 'PATCH', headers.location ?? '', sent)
    expect([patched.status, patched.headers.range]).toEqual([202, '0-1'])
    const put = await guarded.as(bearer(token), 'PUT', `${patched.headers.location}&digest=${EMPTY}`)
    expect(put.status).toBe(201)
  })

  it.each([
    ['nobody is logged in', () => guarded.request('POST', '/v2/team/app/blobs/uploads/')],
    ['its token is no token', () => guarded.as(bearer('none'), 'POST', '/v2/team/app/blobs/uploads/')],
    ['its token is for pulling', async () => beginUpload(expectToken(await get(ANN, ['scope', PULL])).token)],
    ['the policy says no', () => guarded.as(ANN, 'POST', '/v2/other/blobs/uploads/')],
    [
      'it has guessed too often',
      async () => {
        for (let i = 0; i < 10; i++) await get(basic('ann', `wrong ${i}`))
        return get(ANN)
      },
    ],
  ])('is told with a detail that %s: without one it would try for 50 s', async (_, ask) => {
    const { status, detail } = await ask()
    expect([401, 403, 429]).toContain(status)
    expect(detail).toEqual(expect.any(Object))
  })
})

describe('containerd and BuildKit', () => {
  const login = { grant_type: 'password', username: 'ann', password: PASSWORD }

  it.each(['containerd-client', 'buildkit-client'])(
    'learn the scope from the request itself, and send a form (%s)',
    async client_id => {
      const { scope = '', service } = challengeOf(await guarded.head(MANIFEST))
      expect([scope, service]).toEqual([PULL, SERVICE])
      const { token } = expectToken(await post({ ...login, client_id, scope }))
      expect((await guarded.as(bearer(token), 'HEAD', MANIFEST)).status).toBe(404)
    },
  )

  it('join several scopes with spaces, where they mount', async () => {
    await guarded.as(ANN, 'POST', `/v2/base/blobs/uploads/?digest=${EMPTY}`, { body: '{}' })
    const scope = `${BASE} ${PUSH}`
    const { token } = expectToken(await post({ ...login, client_id: 'containerd-client', scope }))
    expect((await beginUpload(token, `?mount=${EMPTY}&from=base`)).status).toBe(201)
  })

  it('get a refresh token where they ask for one, and come back with it', async () => {
    const told = expectToken(await post({ ...login, client_id: 'buildkit-client', access_type: 'offline' }))
    const { refresh_token = '' } = told
    const fields = { grant_type: 'refresh_token', refresh_token, client_id: 'buildkit-client', scope: PUSH }
    expect((await beginUpload(expectToken(await post(fields)).access_token)).status).toBe(202)
  })

  it('pull anonymously by GET, without a login', async () => {
    const { token } = expectToken(await get({}, ['scope', 'repository:public/app:pull']))
    expect((await guarded.as(bearer(token), 'HEAD', '/v2/public/app/manifests/1')).status).toBe(404)
  })

  it('take a wrong password for what it is, and do not try GET', async () => {
    const { status } = await post({ ...login, password: 'wrong horse', client_id: 'buildkit-client' })
    expect([400, 404, 405]).not.toContain(status)
    expect(status).toBe(401)
  })

  it('forget an expired token when the challenge says that it is invalid', async () => {
    const { token } = expectToken(await post({ ...login, scope: PUSH }))
    guarded.wait(2 * HOUR)
    expect(challengeOf(await beginUpload(token))).toMatchObject({ error: 'invalid_token', scope: PUSH })
  })
})

describe('containers/image: skopeo, podman, Buildah', () => {
  it('log in by a ping with Basic', async () => {
    expect((await ping(ANN)).status).toBe(200)
    expect((await ping(basic('ann', 'wrong horse'))).status).toBe(401)
  })

  it('send Basic, account and scope, by the challenge of the ping', async () => {
    expect(challengeOf(await ping())).not.toHaveProperty('scope')
    const { token } = expectToken(await get(ANN, ['account', 'ann'], ['scope', PUSH]))
    expect((await beginUpload(token)).status).toBe(202)
  })

  it('go on with an identity token by POST', async () => {
    const { refresh_token = '' } = expectToken(await get(ANN, ['offline_token', 'true']))
    const fields = { grant_type: 'refresh_token', refresh_token, client_id: 'containers/image', scope: PULL }
    expect((await guarded.as(bearer(expectToken(await post(fields)).token), 'GET', MANIFEST)).status).toBe(
      404,
    )
  })

  it('ask for more than a token was given for when they are told that its scope is too small', async () => {
    const { token } = expectToken(await get(ANN, ['account', 'ann'], ['scope', PULL]))
    expect(challengeOf(await beginUpload(token))).toMatchObject({ error: 'insufficient_scope', scope: PUSH })
  })
})

describe('go-containerregistry: crane, ko, cosign, kaniko', () => {
  it('asks for push before pull, and for every repository that it mounts from', async () => {
    challengeOf(await ping())
    const query: [string, string][] = [
      ['scope', 'repository:team/app:push,pull'],
      ['scope', BASE],
    ]
    const { token } = expectToken(await get(ANN, ...query))
    expect((await beginUpload(token)).status).toBe(202)
    expect((await guarded.as(bearer(token), 'GET', '/v2/base/manifests/1')).status).toBe(404)
  })

  it('asks again at a 401, and its manifest then goes through', async () => {
    const { token } = expectToken(await get(ANN, ['scope', PUSH]))
    guarded.wait(2 * HOUR)
    const put = (shown: string) =>
      guarded.as(bearer(shown), 'PUT', '/v2/team/app/manifests/1', {
        headers: { 'content-type': 'application/vnd.oci.image.index.v1+json' },
        body: '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}',
      })
    challengeOf(await put(token))
    expect((await put(expectToken(await get(ANN, ['scope', PUSH])).token)).status).toBe(201)
  })
})

describe('oras and helm', () => {
  it('log in by a ping whose challenge has no scope, and a token without one', async () => {
    expect(challengeOf(await ping())).not.toHaveProperty('scope')
    expect((await ping(bearer(expectToken(await get(ANN)).token))).status).toBe(200)
  })

  it('helm tries OAuth 2 first', async () => {
    const fields = { grant_type: 'password', username: 'ann', password: PASSWORD, client_id: 'oras-go' }
    expect((await ping(bearer(expectToken(await post(fields)).access_token))).status).toBe(200)
  })

  it('show the Authorization of the POST to the PUT, which must not answer 401 whatever has expired', async () => {
    const { token } = expectToken(await get(ANN, ['scope', PUSH]))
    const { headers } = await beginUpload(token)
    guarded.wait(2 * HOUR)
    const put = await guarded.as(bearer(token), 'PUT', `${headers.location}&digest=${EMPTY}`, { body: '{}' })
    expect(put.status).toBe(201)
  })
})

describe('regclient', () => {
  it('asks for pull first and for push later, by the challenge of each request', async () => {
    expect(challengeOf(await guarded.head(MANIFEST)).scope).toBe(PULL)
    const { token } = expectToken(await get(ANN, ['client_id', 'regclient'], ['scope', PULL]))
    const { scope = '' } = challengeOf(await beginUpload(token))
    expect((await beginUpload(expectToken(await get(ANN, ['scope', scope])).token)).status).toBe(202)
  })

  it('mounts without saying from where, and gets a session where that is not granted', async () => {
    const { token } = expectToken(await get(ANN, ['scope', PUSH]))
    expect((await beginUpload(token, `?mount=${EMPTY}`)).status).toBe(202)
  })
})

describe('jib', () => {
  it('reads realm and service alone, and says for itself what it wants', async () => {
    const header = (await ping()).headers['www-authenticate'] ?? ''
    expect(/realm="([^"]*)"/.exec(header)?.[1]).toBe('https://registry.example/token')
    expect(/service="([^"]*)"/.exec(header)?.[1]).toBe(SERVICE)
    const { token } = expectToken(await get(ANN, ['scope', PUSH], ['scope', BASE]))
    expect((await beginUpload(token)).status).toBe(202)
  })

  it('sends Basic with every request where it was told to', async () => {
    expect((await guarded.as(ANN, 'POST', '/v2/team/app/blobs/uploads/')).status).toBe(202)
  })

  it('comes with a refresh token by POST', async () => {
    const { refresh_token = '' } = expectToken(await get(ANN, ['offline_token', 'true']))
    const fields = { grant_type: 'refresh_token', refresh_token, client_id: 'jib', scope: PUSH }
    expect((await beginUpload(expectToken(await post(fields)).token)).status).toBe(202)
  })
})
