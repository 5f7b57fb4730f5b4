import { beforeEach, describe, expect, it } from 'vitest'
import { basic, bearer, type Guarded, openGuarded, PASSWORD } from '../support/auth.ts'
import { digest, imageOf } from '../support/content.ts'

const ROOT = basic('root', PASSWORD)
const DEV = basic('dev', PASSWORD)
const headers = { 'content-type': 'application/vnd.oci.image.manifest.v1+json' }
const [first, second] = [imageOf(['layer']), imageOf(['layer'], { v: '2' })]

let guarded: Guarded
beforeEach(async () => {
  guarded = await openGuarded()
  await guarded.addUser('dev')
  await guarded.setPolicy({
    rules: [
      { name: 'dev', who: ['user:dev'], may: ['pull', 'push-content'], on: ['**'] },
      { name: 'create', who: ['user:dev'], may: ['create-tag'], on: ['**'], tags: ['v*', 'dev-*'] },
      {
        name: 'move',
        who: ['user:dev'],
        may: ['overwrite-tag', 'delete'],
        on: ['**'],
        tags: ['dev-*', 'v*'],
      },
    ],
    immutable: [{ on: ['app'], tags: ['v*'] }],
  })
  for (const blob of ['{}', 'layer'])
    await guarded.as(ROOT, 'POST', `/v2/app/blobs/uploads/?digest=${digest(blob)}`, { body: blob })
})

const put = (login: Record<string, string>, tag: string, body: string, query = '') =>
  guarded.as(login, 'PUT', `/v2/app/manifests/${tag}${query}`, { headers, body })
const remove = (login: Record<string, string>, reference: string) =>
  guarded.as(login, 'DELETE', `/v2/app/manifests/${reference}`)

describe('a tag', () => {
  it('is created only by callers that a rule allows to create it', async () => {
    expect((await put(DEV, 'v1', first)).status).toBe(201)
    const refused = await put(DEV, 'latest', first)
    expect([refused.status, refused.json.errors?.[0]]).toEqual([
      403,
      {
        code: 'DENIED',
        message: 'create-tag on app:latest: no rule allows it',
        detail: { action: 'create-tag', repository: 'app', tag: 'latest', because: 'no rule allows it' },
      },
    ])
    expect((await guarded.as(DEV, 'GET', '/v2/app/tags/list')).json.tags).toEqual(['v1'])
  })

  it('is moved only by callers that a rule allows to move it', async () => {
    await put(ROOT, 'dev-1', first)
    await put(ROOT, 'latest', first)
    expect((await put(DEV, 'dev-1', second)).status).toBe(201)
    expect((await put(DEV, 'latest', second)).detail).toMatchObject({ action: 'overwrite-tag' })
  })

  it('is not created by a push of several tags of which one may not be moved', async () => {
    await put(ROOT, 'latest', first)
    expect((await put(DEV, 'dev-2', second, '?tag=latest')).status).toBe(403)
    expect((await guarded.as(DEV, 'GET', '/v2/app/tags/list')).json.tags).toEqual(['latest'])
  })

  it('is deleted only by callers that a rule allows to delete it', async () => {
    await put(ROOT, 'dev-1', first)
    await put(ROOT, 'latest', first)
    expect((await remove(DEV, 'latest')).status).toBe(403)
    expect((await remove(DEV, 'dev-1')).status).toBe(202)
    expect((await remove(DEV, digest(first))).status).toBe(403)
  })
})

describe('a token', () => {
  it('deletes only the tags that a rule allows its holder to delete', async () => {
    const { headers } = await put(ROOT, 'dev-1', first)
    await put(ROOT, 'latest', first)
    const token = bearer(await guarded.tokenFor(DEV, 'repository:app:pull,delete'))
    expect((await remove(token, 'latest')).status).toBe(403)
    expect((await remove(token, headers['docker-content-digest'] ?? '')).status).toBe(403)
    expect((await remove(token, 'dev-1')).status).toBe(202)
  })
})

describe('an immutable tag', () => {
  beforeEach(async () => {
    await put(DEV, 'v1', first)
  })

  it.each([
    ['dev', DEV],
    ['root', ROOT],
  ])('is not moved or deleted by %s', async (_, login) => {
    for (const response of [await put(login, 'v1', second), await remove(login, 'v1')])
      expect([response.status, response.detail?.because]).toEqual([403, 'the tag v1 is immutable'])
    expect((await guarded.as(DEV, 'HEAD', '/v2/app/manifests/v1')).headers['docker-content-digest']).toBe(
      digest(first),
    )
  })

  it('can be pushed again with the same manifest', async () => {
    expect((await put(DEV, 'v1', first)).status).toBe(201)
  })

  it('prevents the deletion of its manifest', async () => {
    const refused = await remove(ROOT, digest(first))
    expect([refused.status, refused.detail?.because]).toEqual([403, 'the tag v1 is immutable'])
  })

  it('is created by one of many concurrent pushes', async () => {
    const images = Array.from({ length: 8 }, (_, i) => imageOf(['layer'], { i: String(i) }))
    const statuses = await Promise.all(images.map(async image => (await put(DEV, 'v2', image)).status))
    expect(statuses.toSorted()).toEqual([201, ...Array(7).fill(403)])
  })

  it('can be moved in repositories that the pattern does not match', async () => {
    for (const blob of ['{}', 'layer'])
      await guarded.as(ROOT, 'POST', `/v2/lib/blobs/uploads/?digest=${digest(blob)}`, { body: blob })
    for (const body of [first, second])
      expect((await guarded.as(DEV, 'PUT', '/v2/lib/manifests/v1', { headers, body })).status).toBe(201)
  })
})
