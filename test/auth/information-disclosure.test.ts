import { decodeJwt } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { OCI_IMAGE, OCI_INDEX } from '../../lambda/protocol/media-types.ts'
import { routes } from '../../lambda/routes/index.ts'
import { basic, bearer, type Guarded, openGuarded, PASSWORD } from '../support/auth.ts'
import { descriptorOf, digest, imageOf, indexOf } from '../support/content.ts'
import type { TestResponse } from '../support/registry.ts'

/*
 * A caller with rights in one repository learns nothing about another one. Each request is sent for something that
 * exists and for something that does not, and the two responses must be equal.
 */

const SECRET = 'secret layer'
const IMAGE = imageOf([SECRET])
const CALLERS = { anonymous: {}, reader: basic('reader', PASSWORD), writer: basic('writer', PASSWORD) }

/** Path parameters of what exists in `private/app`. */
const EXISTING: Record<string, string> = {
  name: 'private/app',
  digest: digest(SECRET),
  reference: 'v1',
  existing: 'v1',
  upload: '',
  account: 'root',
}
/** Path parameters of what exists in no repository. */
const MISSING: Record<string, string> = {
  name: 'private/nil',
  digest: digest('nothing'),
  reference: 'v2',
  existing: 'v2',
  upload: '00000000-0000-4000-8000-000000000000',
  account: 'nope',
}

let guarded: Guarded
beforeAll(async () => {
  guarded = await openGuarded()
  const { as } = guarded
  for (const name of ['reader', 'writer']) await guarded.addUser(name)
  await guarded.setPolicy({
    rules: [
      { name: 'reader', who: ['user:reader'], may: ['pull'], on: ['own/app'] },
      {
        name: 'writer',
        who: ['user:writer'],
        may: ['pull', 'push', 'create-tag', 'delete'],
        on: ['own/app'],
      },
    ],
    immutable: [{ on: ['private/app'], tags: ['v*'] }],
  })
  const root = basic('root', PASSWORD)
  for (const blob of ['{}', SECRET])
    await as(root, 'POST', `/v2/private/app/blobs/uploads/?digest=${digest(blob)}`, { body: blob })
  await as(basic('writer', PASSWORD), 'POST', `/v2/own/app/blobs/uploads/?digest=${digest('{}')}`, {
    body: '{}',
  })
  for (const [tag, document] of [
    ['v1', IMAGE],
    ['about', indexOf([], { subject: descriptorOf(IMAGE, OCI_IMAGE) })],
  ] as const) {
    const headers = { 'content-type': JSON.parse(document).mediaType }
    const put = await as(root, 'PUT', `/v2/private/app/manifests/${tag}`, { headers, body: document })
    expect(put.status).toBe(201)
  }
  const begun = await as(root, 'POST', '/v2/private/app/blobs/uploads/')
  EXISTING.upload = begun.headers['docker-upload-uuid'] ?? ''
})

/** A response without the names that were in the request and without random parts. */
function comparable(response: TestResponse): string {
  // Random parts are replaced first, because they may contain a name by chance.
  let text = JSON.stringify([response.status, response.headers, response.text]).replace(
    /_state=[\w.-]+/g,
    '<upload token>',
  )
  for (const parts of [EXISTING, MISSING])
    for (const [part, value] of Object.entries(parts)) text = text.replaceAll(value, `<${part}>`)
  return text.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '<id>')
}

const fill = (path: string, parts: Record<string, string>) =>
  path.replace(/<(\w+)>/g, (_, part) => parts[part] ?? '')

describe.each(Object.entries(CALLERS))('the caller %s', (_, login) => {
  const routesWithParameters = routes.filter(({ path }) => path.includes('<'))

  it.each(routesWithParameters.map(({ method, path }) => [method, path] as const))(
    'gets the same response for existing and missing content: %s %s',
    async (method, path) => {
      const existing = await guarded.as(login, method, fill(path, EXISTING))
      const missing = await guarded.as(login, method, fill(path, MISSING))
      const inMissingRepository = await guarded.as(
        login,
        method,
        fill(path, { ...EXISTING, name: 'private/nil' }),
      )
      expect([401, 403]).toContain(existing.status)
      expect(comparable(existing)).toBe(comparable(missing))
      expect(comparable(existing)).toBe(comparable(inMissingRepository))
    },
  )

  it('gets a token without rights for the repository', async () => {
    const tokenOf = async (name: string) => {
      const token = await guarded.tokenFor(login, `repository:${name}:pull,push,delete`, 'registry:catalog:*')
      return { token, access: decodeJwt(token).access }
    }
    const existing = await tokenOf('private/app')
    expect(existing.access).toEqual((await tokenOf('private/nil')).access)
    expect(
      (await guarded.as(bearer(existing.token), 'GET', '/v2/private/app/tags/list')).status,
    ).toBeGreaterThan(400)
  })

  it('does not see the repository in the catalog', async () => {
    const { text } = await guarded.as(login, 'GET', '/v2/_catalog')
    expect(text).not.toContain('private')
  })
})

describe('a caller that may push to another repository', () => {
  const send = (method: string, target: string, body = '', type = '') =>
    guarded.as(CALLERS.writer, method, `/v2/own/app/${target}`, {
      body,
      headers: type === '' ? {} : { 'content-type': type },
    })

  it.each(['&from=private/app', '&from=private/nil', '', '&from='])(
    'gets an upload session from a mount with the query%s, as for a missing blob',
    async from => {
      const existing = await send('POST', `blobs/uploads/?mount=${digest(SECRET)}${from}`)
      const missing = await send('POST', `blobs/uploads/?mount=${digest('nothing')}${from}`)
      expect([existing.status, comparable(existing)]).toEqual([202, comparable(missing)])
    },
  )

  it.each([
    ['a layer', (content: string) => imageOf([content]), OCI_IMAGE],
    ['a config', (content: string) => imageOf([], { config: descriptorOf(content) }), OCI_IMAGE],
    ['a child of an index', (content: string) => indexOf([descriptorOf(content, OCI_IMAGE)]), OCI_INDEX],
  ])(
    'gets 404 for a manifest that references it as %s, as for missing content',
    async (_, manifest, type) => {
      const existing = await send('PUT', 'manifests/x', manifest(SECRET), type)
      const missing = await send('PUT', 'manifests/x', manifest('nothing'), type)
      expect([existing.status, comparable(existing)]).toEqual([404, comparable(missing)])
    },
  )

  it('can push a referrer of any subject, existing or not', async () => {
    const put = (subject: string) =>
      send('PUT', 'manifests/about', indexOf([], { subject: descriptorOf(subject, OCI_IMAGE) }), OCI_INDEX)
    expect((await put(IMAGE)).status).toBe(201)
    const referrers = await send('GET', `referrers/${digest(IMAGE)}`)
    expect(referrers.json.manifests).toHaveLength(1)
  })

  it('gets the same response to an upload of existing bytes as of new ones', async () => {
    const existing = await send('POST', `blobs/uploads/?digest=${digest(SECRET)}`, SECRET)
    const missing = await send('POST', `blobs/uploads/?digest=${digest('nothing')}`, 'nothing')
    expect(comparable(existing)).toBe(comparable(missing))
  })
})
