import { readdirSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CliError } from '../../../cli/cli-error.ts'
import { ProxyServer, type ProxyServerOptions } from '../../../cli/proxy/proxy-server.ts'
import type { FindLogin } from '../../../lambda/client/registry/authorization.ts'
import { basic } from '../../support/auth.ts'
import { patternBytes } from '../../support/bytes.ts'
import { clientOf } from '../../support/client.ts'
import { digest } from '../../support/content.ts'
import { GuardedServer } from '../../support/guarded-server.ts'
import { type SendOptions, send } from '../../support/http-client.ts'
import { artifact, image } from '../../support/images.ts'
import { emptyResponse, MemoryServer } from '../../support/memory-server.ts'
import { canListOpenFiles, openFiles } from '../../support/open-files.ts'
import { RegistryClient } from '../../support/registry-client.ts'
import { TempDir } from '../../support/temp-dir.ts'

const MiB = 1024 * 1024
const PASSWORD = 'correct horse'
const ANN = { user: 'ann', password: PASSWORD }
const noLogin: FindLogin = async () => undefined

let scratch: TempDir
let proxy: ProxyServer | undefined
let log = ''
beforeEach(() => {
  scratch = new TempDir()
  log = ''
})
afterEach(async () => {
  await proxy?.stop()
  expect(readdirSync(scratch.path)).toEqual([])
  if (canListOpenFiles) expect(openFiles(scratch.path)).toEqual([])
  scratch.remove()
})

async function start(host: string, options: Partial<ProxyServerOptions> & { findLogin?: FindLogin } = {}) {
  const { findLogin = noLogin } = options
  proxy = await ProxyServer.start({
    registry: clientOf(host, { findLogin }),
    findLogin,
    listen: { host: '127.0.0.1', port: 0 },
    stream: false,
    scratch: scratch.path,
    space: 100 * MiB,
    log: { write: text => (log += text) },
    ...options,
  })
  const origin = `http://${proxy.host}`
  return {
    origin,
    uploads: proxy.uploads,
    repository: (name: string) => new RegistryClient(origin, name),
    ask: (target: string, sent?: SendOptions) => send(`${origin}${target}`, sent),
  }
}

function* pieces(bytes: Buffer): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000)
}

describe('a push through the proxy', () => {
  let server: MemoryServer
  let bodies: string[]
  beforeEach(async () => {
    server = await MemoryServer.start()
    bodies = []
    server.intercept = ({ method, headers, path }) => {
      const length = headers['content-length'] ?? 'no length'
      if (path.includes('/uploads/')) bodies.push(`${method} ${length}`)
      return undefined
    }
    return () => server.stop()
  })

  it('of a layer that is streamed in one PATCH is one PUT with its length', async () => {
    const bytes = patternBytes(3 * MiB)
    const { repository, uploads } = await start(server.host)
    const app = repository('team/app')
    const upload = await app.append(await app.openUpload(), pieces(bytes))
    expect(uploads.used).toBe(bytes.length)
    await app.closeUpload(upload, digest(bytes))
    expect(await server.repository('team/app').digestOfBlob(digest(bytes))).toBe(digest(bytes))
    expect(bodies).toEqual(['POST 0', `PUT ${bytes.length}`])
    expect(uploads.used).toBe(0)
  })

  it('tells the exact size of a layer, from which Docker makes the manifest', async () => {
    const { repository, ask, origin } = await start(server.host)
    const upload = await repository('app').openUpload()
    const patched = await send(upload, { method: 'PATCH', body: pieces(patternBytes(250_000)) })
    expect(patched).toMatchObject({
      status: 202,
      headers: { range: '0-249999', location: expect.stringMatching(/^\/v2\/app\/blobs\/uploads\//) },
    })
    const { pathname, search } = new URL(upload, origin)
    expect(await ask(pathname + search)).toMatchObject({ status: 204, headers: { range: '0-249999' } })
    expect(await ask(pathname, { method: 'DELETE' })).toMatchObject({ status: 204 })
  })

  it('of chunks puts them together, and refuses one that leaves a gap', async () => {
    const bytes = patternBytes(200_000)
    const { repository } = await start(server.host)
    const upload = await repository('app').openUpload()
    const chunk = (first: number, last: number) =>
      send(upload, {
        method: 'PATCH',
        headers: { 'content-range': `${first}-${last}` },
        body: bytes.subarray(first, last + 1),
      })
    expect((await chunk(0, 99_999)).status).toBe(202)
    expect((await chunk(150_000, 199_999)).status).toBe(416)
  })

  it('of a blob above the largest PUT is sent in parts', async () => {
    const bytes = patternBytes(9 * MiB)
    const { repository } = await start(server.host, { maxPut: 8 * MiB })
    const app = repository('app')
    await app.closeUpload(await app.append(await app.openUpload(), pieces(bytes)), digest(bytes))
    expect(bodies).toEqual(['POST 0', `PATCH ${4 * MiB}`, `PATCH ${4 * MiB}`, `PATCH ${MiB}`, 'PUT 0'])
  })

  it('in one PUT needs no temporary file', async () => {
    const bytes = patternBytes(MiB)
    const { repository, uploads } = await start(server.host, { space: 1 })
    const app = repository('app')
    await app.closeUpload(await app.openUpload(), digest(bytes), bytes)
    expect(uploads.used).toBe(0)
    expect(await server.repository('app').digestOfBlob(digest(bytes))).toBe(digest(bytes))
  })

  it('in one POST is stored', async () => {
    const bytes = patternBytes(10_000)
    const { ask } = await start(server.host)
    const response = await ask(`/v2/app/blobs/uploads/?digest=${digest(bytes)}`, {
      method: 'POST',
      body: bytes,
    })
    expect(response.status).toBe(201)
    expect(await server.repository('app').digestOfBlob(digest(bytes))).toBe(digest(bytes))
  })

  it.each(['POST', 'PUT'])('with a malformed digest in %s is refused', async method => {
    const { ask, repository, origin } = await start(server.host)
    const url = method === 'POST' ? `${origin}/v2/app/blobs/uploads/` : await repository('app').openUpload()
    const { pathname } = new URL(url)
    const response = await ask(`${pathname}?digest=sha256:1`, { method })
    expect(response.status).toBe(400)
    expect(String(response.bytes)).toContain('"DIGEST_INVALID"')
  })

  it('mounts a blob of another repository', async () => {
    const bytes = Buffer.from(patternBytes(10_000))
    await server
      .repository('other')
      .pushBlob({ bytes, digest: digest(bytes), size: bytes.length, mediaType: '' })
    const { ask } = await start(server.host)
    const query = `mount=${encodeURIComponent(digest(bytes))}&from=other`
    expect(await ask(`/v2/app/blobs/uploads/?${query}`, { method: 'POST' })).toMatchObject({
      status: 201,
      headers: { location: `/v2/app/blobs/${digest(bytes)}`, 'docker-content-digest': digest(bytes) },
    })
  })

  it('of a whole image and its signature keeps every digest', async () => {
    const one = image('one')
    const signature = artifact('example/signature', 'signed', one.manifest)
    const { repository } = await start(server.host)
    await repository('app').pushImage(one, 'v1')
    await repository('app').pushImage(signature, signature.manifest.digest)
    expect(await server.repository('app').missing(one)).toEqual([])
    expect(await repository('app').missing(signature)).toEqual([])
  })

  it('of a manifest without a length is sent with its length', async () => {
    const { ask, repository } = await start(server.host)
    const one = image('one')
    for (const blob of one.blobs) await repository('app').pushBlob(blob)
    const headers = { 'content-type': one.manifest.mediaType }
    const response = await ask('/v2/app/manifests/v1', { method: 'PUT', headers, body: [one.manifest.bytes] })
    expect(response.status).toBe(201)
    expect(response.headers.location).toMatch(/^\/v2\/app\/manifests\/sha256:/)
  })

  it('of a blob with another digest is refused, and the registry gets nothing of it', async () => {
    const { repository, uploads } = await start(server.host)
    const app = repository('app')
    const upload = await app.append(await app.openUpload(), pieces(patternBytes(10_000)))
    const response = await send(`${upload}&digest=${digest('other')}`, { method: 'PUT' })
    expect(response.status).toBe(400)
    expect(String(response.bytes)).toContain('"DIGEST_INVALID"')
    expect(bodies).toEqual(['POST 0'])
    expect(uploads.used).toBe(0)
  })

  it('is refused when its temporary files would hold more than the space', async () => {
    const { repository, uploads } = await start(server.host, { space: MiB })
    const upload = await repository('app').openUpload()
    const response = await send(upload, { method: 'PATCH', body: pieces(patternBytes(2 * MiB)) })
    expect(response.status).toBe(507)
    expect(JSON.parse(String(response.bytes)).errors[0].message).toBe(
      'the proxy holds at most 1.05 MB of uploads in temporary files: --space raises it',
    )
    expect(uploads.used).toBe(0)
  })

  it('is forgotten when the client goes away in a PATCH', async () => {
    const { repository, uploads } = await start(server.host)
    const upload = await repository('app').openUpload()
    async function* broken() {
      yield patternBytes(100_000)
      await expect.poll(() => uploads.used).toBe(100_000)
      throw new Error('gone')
    }
    await send(upload, { method: 'PATCH', body: broken() }).catch(() => {})
    await expect.poll(() => uploads.used).toBe(0)
  })

  it('is forgotten when nothing happens for long', async () => {
    const { repository, uploads } = await start(server.host)
    const app = repository('app')
    await app.append(await app.openUpload(), pieces(patternBytes(100_000)))
    await uploads.dropIdle(Date.now() + 1)
    expect(uploads.used).toBe(0)
  })

  it('begins another session when that of the registry has expired', async () => {
    const bytes = patternBytes(10_000)
    const { repository } = await start(server.host)
    const app = repository('app')
    const upload = await app.append(await app.openUpload(), pieces(bytes))
    let refused = 0
    server.intercept = ({ method }) => (method === 'PUT' && refused++ === 0 ? emptyResponse(404) : undefined)
    await app.closeUpload(upload, digest(bytes))
    expect(server.count(/^POST .* 202/)).toBe(2)
  })

  it('is 503 with the reason when the registry dies before its PUT, and its space is free', async () => {
    const { repository, uploads } = await start(server.host)
    const app = repository('app')
    const upload = await app.append(await app.openUpload(), pieces(patternBytes(10_000)))
    await server.stop()
    const response = await send(`${upload}&digest=${digest(patternBytes(10_000))}`, { method: 'PUT' })
    expect(response.status).toBe(503)
    expect(String(response.bytes)).toContain(`cannot reach ${server.host}`)
    expect(uploads.used).toBe(0)
  })

  it('is 503 when the registry dies in its PUT', async () => {
    const { repository, uploads } = await start(server.host)
    const app = repository('app')
    const upload = await app.append(await app.openUpload(), pieces(patternBytes(MiB)))
    server.intercept = ({ method }) => {
      if (method === 'PUT') void server.stop()
      return undefined
    }
    const response = await send(`${upload}&digest=${digest(patternBytes(MiB))}`, { method: 'PUT' })
    expect(response.status).toBe(503)
    expect(String(response.bytes)).toContain(`cannot reach ${server.host}`)
    expect(uploads.used).toBe(0)
  })

  it('ends when the proxy stops, also where the registry does not respond', async () => {
    const { repository, uploads } = await start(server.host)
    const app = repository('app')
    const upload = await app.append(await app.openUpload(), pieces(patternBytes(10_000)))
    const reached = Promise.withResolvers<void>()
    const released = Promise.withResolvers<undefined>()
    server.intercept = ({ method }) => {
      if (method !== 'PUT') return undefined
      reached.resolve()
      return released.promise
    }
    const put = send(`${upload}&digest=${digest(patternBytes(10_000))}`, { method: 'PUT' })
    const outcome = put.catch(() => 'broken')
    await reached.promise
    await proxy?.stop()
    expect(await outcome).toBe('broken')
    expect(uploads.used).toBe(0)
    released.resolve(undefined)
  })

  it('is refused with the status and the reason of the registry', async () => {
    server.intercept = ({ method }) => {
      const body = Buffer.from('{"errors":[{"code":"DENIED","message":"you may not push"}]}')
      if (method !== 'PUT') return undefined
      return { status: 403, headers: { 'content-length': String(body.length) }, body }
    }
    const { repository } = await start(server.host)
    const app = repository('app')
    const upload = await app.append(await app.openUpload(), pieces(patternBytes(10_000)))
    const response = await send(`${upload}&digest=${digest(patternBytes(10_000))}`, { method: 'PUT' })
    expect(response.status).toBe(403)
    expect(String(response.bytes)).toMatch(/"DENIED".*you may not push/)
  })
})

describe('a pull through the proxy', () => {
  let server: MemoryServer
  const one = image('one')
  const layer = one.blobs[1]
  beforeEach(async () => {
    server = await MemoryServer.start()
    await server.repository('app').pushImage(one, 'v1')
    return () => server.stop()
  })
  /** The registry redirects blobs to a server of its own. */
  async function redirecting(): Promise<MemoryServer> {
    const store = await MemoryServer.start()
    store.intercept = ({ headers }) => ({
      status: 200,
      headers: { 'content-length': '3', 'x-authorization': headers.authorization ?? 'none' },
      body: Buffer.from('raw'),
    })
    server.intercept = ({ path, method }) =>
      method === 'GET' && path.includes('/blobs/')
        ? emptyResponse(307, { location: `${store.url}/object?X=%2B` })
        : undefined
    return store
  }

  it('gives every byte of an image, and ranges of it', async () => {
    const { repository, ask } = await start(server.host)
    expect(await repository('app').missing(one)).toEqual([])
    const part = await ask(`/v2/app/blobs/${layer?.digest}`, { headers: { range: 'bytes=2-5' } })
    expect(part).toMatchObject({ status: 206, bytes: layer?.bytes.subarray(2, 6) })
    expect(part.headers['content-range']).toBe(`bytes 2-5/${layer?.size}`)
  })

  it('answers HEAD with the length and the digest of the registry', async () => {
    const { ask } = await start(server.host)
    expect(await ask(`/v2/app/blobs/${layer?.digest}`, { method: 'HEAD' })).toMatchObject({
      status: 200,
      headers: { 'content-length': String(layer?.size), 'docker-content-digest': layer?.digest },
    })
  })

  it('redirects the client to where the registry stores a blob', async () => {
    const store = await redirecting()
    const { ask } = await start(server.host)
    expect(await ask(`/v2/app/blobs/${layer?.digest}`)).toMatchObject({
      status: 307,
      headers: { location: `${store.url}/object?X=%2B` },
    })
    await store.stop()
  })

  it('sends the blob itself with --stream, and no login to where it is stored', async () => {
    const store = await redirecting()
    const { ask } = await start(server.host, { stream: true })
    expect(await ask(`/v2/app/blobs/${layer?.digest}`, { headers: basic('ann', PASSWORD) })).toMatchObject({
      status: 200,
      headers: { 'x-authorization': 'none', 'docker-content-digest': layer?.digest },
      bytes: Buffer.from('raw'),
    })
    await store.stop()
  })

  it('gives the next page at the address of the proxy', async () => {
    await server.repository('app').pushImage(one, 'v2')
    const { ask } = await start(server.host)
    const { headers } = await ask('/v2/app/tags/list?n=1')
    expect(headers.link).toBe('</v2/app/tags/list?n=1&last=v1>; rel="next"')
  })

  it('is 503 with the reason when the registry is unreachable', async () => {
    await server.stop()
    const { ask } = await start(server.host)
    const response = await ask('/v2/')
    expect(response.status).toBe(503)
    expect(String(response.bytes)).toContain(`cannot reach ${server.host}`)
  })
})

describe('a login through the proxy', () => {
  let server: GuardedServer
  const one = image('one')
  beforeEach(async () => {
    server = await GuardedServer.start()
    await server.auth.accounts.addUser('ann', { password: PASSWORD, admin: true })
    return () => server.stop()
  })

  it('is the kept one for clients without a login', async () => {
    const { repository } = await start(server.host, { findLogin: async () => ANN })
    await repository('app').pushImage(one, 'v1')
    expect(await repository('app').missing(one)).toEqual([])
  })

  it('is asked of the client where none is kept, at the address of the proxy', async () => {
    const { ask, origin } = await start(server.host)
    const { status, headers } = await ask('/v2/')
    expect(status).toBe(401)
    expect(headers['www-authenticate']).toContain(`realm="${origin}/token"`)
    expect(headers['www-authenticate']).toContain(`service="${server.host}"`)
  })

  it('of the client is forwarded, also when another one is kept', async () => {
    const { ask } = await start(server.host, { findLogin: async () => ANN })
    const scope = 'repository:app:pull,push'
    const token = await ask(`/token?service=${server.host}&scope=${scope}`, {
      headers: basic('ann', PASSWORD),
    })
    const { token: text } = JSON.parse(String(token.bytes))
    const headers = { authorization: `Bearer ${text}` }
    expect((await ask('/v2/app/blobs/uploads/', { method: 'POST', headers })).status).toBe(202)
    expect((await ask('/v2/app/tags/list', { headers: basic('ann', 'wrong') })).status).toBe(401)
  })

  it('goes through the whole upload of a client', async () => {
    const { ask, origin } = await start(server.host)
    const headers = basic('ann', PASSWORD)
    const bytes = patternBytes(100_000)
    const { headers: begun } = await ask('/v2/app/blobs/uploads/', { method: 'POST', headers })
    const upload = new URL(begun.location ?? '', origin).href
    await send(upload, { method: 'PATCH', headers, body: pieces(bytes) })
    expect((await send(`${upload}&digest=${digest(bytes)}`, { method: 'PUT', headers })).status).toBe(201)
  })

  it('that cannot be read is an error that says so', async () => {
    const { ask } = await start(server.host, {
      findLogin: () => Promise.reject(new CliError('config.json is not a Docker configuration')),
    })
    const response = await ask('/v2/')
    expect(response.status).toBe(503)
    expect(String(response.bytes)).toContain('config.json is not a Docker configuration')
  })

  it('is that of --auth, and the kept one behind it', async () => {
    const auth = { user: 'ci', password: 'secret' }
    const { ask } = await start(server.host, { findLogin: async () => ANN, auth })
    expect(await ask('/v2/')).toMatchObject({
      status: 401,
      headers: { 'www-authenticate': 'Basic realm="longshore proxy"' },
    })
    expect((await ask('/v2/', { headers: basic('ci', 'wrong') })).status).toBe(401)
    expect((await ask('/v2/', { headers: basic('ci', 'secret') })).status).toBe(200)
  })

  it.each([
    ['a page of another site', { origin: 'https://evil.example' }],
    ['a form of another site', { 'sec-fetch-site': 'cross-site' }],
    ['a name that leads to this machine', { host: 'evil.example.com' }],
  ])('is not lent to %s', async (_, headers) => {
    const { ask } = await start(server.host, { findLogin: async () => ANN })
    const response = await ask('/v2/app/blobs/uploads/', { method: 'POST', headers })
    expect(response.status).toBe(403)
    expect(server.served).toEqual([])
  })

  it('is not in the log', async () => {
    const { ask } = await start(server.host)
    await ask('/token?account=ann&x=secret-in-query', { headers: basic('ann', PASSWORD) })
    await proxy?.stop()
    expect(log).toContain('/token')
    expect(log).not.toMatch(new RegExp(`secret-in-query|${basic('ann', PASSWORD).authorization}`))
  })
})
