import { decodeJwt } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { OCI_IMAGE, OCI_INDEX } from '../../lambda/protocol/media-types.ts'
import { routes } from '../../lambda/routes/index.ts'
import { basic, bearer, type Guarded, openGuarded, PASSWORD } from '../support/auth.ts'
import { descriptorOf, digest, imageOf, indexOf } from '../support/content.ts'
import type { TestResponse } from '../support/registry.ts'

/*
 * What somebody with rights on one repository can learn of another: nothing. Each question is asked of what is there and of what is not,
 * and has the same answer.
 */

const SECRET = 'secret layer'
const IMAGE = imageOf([SECRET])
const CURIOUS = { anonymous: {}, reader: basic('reader', PASSWORD), writer: basic('writer', PASSWORD) }

/** Parts of paths: of what is there in `private/app`, and of what is nowhere. */
const THERE: Record<string, string> = {
  name: 'private/app',
  digest: digest(SECRET),
  reference: 'v1',
  existing: 'v1',
  upload: '',
  account: 'root',
}
const NOWHERE: Record<string, string> = {
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
  THERE.upload = begun.headers['docker-upload-uuid'] ?? ''
})

/** What is said, without the names that were in the question, and without what is new each time. */
function plain({ status, headers, text }: TestResponse): string {
  // What is random first, because a name may be in it by chance.
  let said = JSON.stringify({ status, headers, text }).replace(/_state=[\w.-]+/g, '<upload token>')
  for (const parts of [THERE, NOWHERE])
    for (const [part, value] of Object.entries(parts)) said = said.replaceAll(value, `<${part}>`)
  return said.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '<id>')
}

const fill = (path: string, parts: Record<string, string>) =>
  path.replace(/<(\w+)>/g, (_, part) => parts[part] ?? '')

describe.each(Object.entries(CURIOUS))('what %s hears', (_, login) => {
  const aimed = routes.filter(({ path }) => path.includes('<'))

  it.each(aimed.map(({ method, path }) => [method, path] as const))(
    'of what is there is what is said of what is not: %s %s',
    async (method, path) => {
      const there = await guarded.as(login, method, fill(path, THERE))
      const nowhere = await guarded.as(login, method, fill(path, NOWHERE))
      const elsewhere = await guarded.as(login, method, fill(path, { ...THERE, name: 'private/nil' }))
      expect([401, 403]).toContain(there.status)
      expect(plain(there)).toBe(plain(nowhere))
      expect(plain(there)).toBe(plain(elsewhere))
    },
  )

  it('of a token for it is that he may do nothing', async () => {
    const tokenOf = async (name: string) => {
      const token = await guarded.tokenFor(login, `repository:${name}:pull,push,delete`, 'registry:catalog:*')
      return { token, said: decodeJwt(token).access }
    }
    const there = await tokenOf('private/app')
    expect(there.said).toEqual((await tokenOf('private/nil')).said)
    expect(
      (await guarded.as(bearer(there.token), 'GET', '/v2/private/app/tags/list')).status,
    ).toBeGreaterThan(400)
  })

  it('in the catalog is not its name', async () => {
    const { text } = await guarded.as(login, 'GET', '/v2/_catalog')
    expect(text).not.toContain('private')
  })
})

describe('what a writer can find out in his own repository', () => {
  const ask = (method: string, target: string, body = '', type = '') =>
    guarded.as(CURIOUS.writer, method, `/v2/own/app/${target}`, {
      body,
      headers: type === '' ? {} : { 'content-type': type },
    })

  it.each(['&from=private/app', '&from=private/nil', '', '&from='])(
    'by a mount%s is nothing: he uploads, as if it were nowhere',
    async from => {
      const there = await ask('POST', `blobs/uploads/?mount=${digest(SECRET)}${from}`)
      const nowhere = await ask('POST', `blobs/uploads/?mount=${digest('nothing')}${from}`)
      expect([there.status, plain(there)]).toEqual([202, plain(nowhere)])
    },
  )

  it.each([
    ['a layer', (content: string) => imageOf([content]), OCI_IMAGE],
    ['a config', (content: string) => imageOf([], { config: descriptorOf(content) }), OCI_IMAGE],
    ['a child of an index', (content: string) => indexOf([descriptorOf(content, OCI_IMAGE)]), OCI_INDEX],
  ])('by a manifest with it as %s is nothing: it is missing', async (_, manifest, type) => {
    const there = await ask('PUT', 'manifests/x', manifest(SECRET), type)
    const nowhere = await ask('PUT', 'manifests/x', manifest('nothing'), type)
    expect([there.status, plain(there)]).toEqual([404, plain(nowhere)])
  })

  it('by a manifest about it is nothing: any subject is taken', async () => {
    const put = (subject: string) =>
      ask('PUT', 'manifests/about', indexOf([], { subject: descriptorOf(subject, OCI_IMAGE) }), OCI_INDEX)
    expect((await put(IMAGE)).status).toBe(201)
    const referrers = await ask('GET', `referrers/${digest(IMAGE)}`)
    expect(referrers.json.manifests).toHaveLength(1)
  })

  it('by an upload of the same bytes is nothing: they are taken as new', async () => {
    const there = await ask('POST', `blobs/uploads/?digest=${digest(SECRET)}`, SECRET)
    const nowhere = await ask('POST', `blobs/uploads/?digest=${digest('nothing')}`, 'nothing')
    expect(plain(there)).toBe(plain(nowhere))
  })
})
