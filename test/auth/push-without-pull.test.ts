import { beforeEach, describe, expect, it } from 'vitest'
import { basic, type Guarded, openGuarded, PASSWORD } from '../support/auth.ts'
import { digest, imageOf } from '../support/content.ts'

const ROOT = basic('root', PASSWORD)
const WRITER = basic('writer', PASSWORD)
const READER = basic('reader', PASSWORD)
const headers = { 'content-type': 'application/vnd.oci.image.manifest.v1+json' }
const [PRESENT, ABSENT] = [digest('layer'), digest('no such layer')]

let guarded: Guarded
beforeEach(async () => {
  guarded = await openGuarded()
  for (const name of ['writer', 'reader']) await guarded.addUser(name)
  await guarded.setPolicy({
    rules: [
      { name: 'writer', who: ['user:writer'], may: ['push'], on: ['app'] },
      { name: 'source', who: ['user:writer'], may: ['pull'], on: ['base'] },
      { name: 'reader', who: ['user:reader'], may: ['pull'], on: ['app'], tags: ['v*'] },
    ],
  })
  for (const blob of ['{}', 'layer'])
    await guarded.as(ROOT, 'POST', `/v2/app/blobs/uploads/?digest=${digest(blob)}`, { body: blob })
})

/** The response without the parts that differ between any two requests. */
async function responseTo(method: string, target: string) {
  const { status, text, headers } = await guarded.as(WRITER, method, target)
  const plain = (part: string) => part.replaceAll(/sha256:[0-9a-f]{64}/g, 'digest')
  const { location: _, 'docker-upload-uuid': __, ...rest } = headers
  return { status, text: plain(text), headers: plain(JSON.stringify(rest)) }
}

describe('a caller that may push but not pull', () => {
  const UPLOAD = '/v2/app/blobs/uploads/00000000-0000-4000-8000-000000000000'
  it.each([
    ['PUT', (blob: string) => `${UPLOAD}?digest=${blob}`],
    ['POST', (blob: string) => `/v2/app/blobs/uploads/?mount=${blob}`],
    ['POST', (blob: string) => `/v2/app/blobs/uploads/?mount=${blob}&from=app`],
    ['POST', (blob: string) => `/v2/app/blobs/uploads/?mount=${blob}&from=base`],
    ['HEAD', (blob: string) => `/v2/app/blobs/${blob}`],
    ['GET', (blob: string) => `/v2/app/blobs/${blob}`],
    ['GET', (blob: string) => `/v2/app/referrers/${blob}`],
    ['HEAD', (blob: string) => `/v2/app/manifests/${blob}`],
    ['DELETE', (blob: string) => `/v2/app/blobs/${blob}`],
  ])('gets the same response for a present and for an absent blob to %s %s', async (method, target) => {
    expect(await responseTo(method, target(PRESENT))).toEqual(await responseTo(method, target(ABSENT)))
  })

  it('completes its own upload, and gets BLOB_UPLOAD_UNKNOWN for the repeated PUT', async () => {
    const begun = await guarded.as(WRITER, 'POST', '/v2/app/blobs/uploads/')
    const location = begun.headers.location?.replace('https://registry.example', '') ?? ''
    const target = `${location}&digest=${digest('new')}`
    expect((await guarded.as(WRITER, 'PUT', target, { body: 'new' })).status).toBe(201)
    expect((await guarded.as(WRITER, 'PUT', target, { body: 'new' })).code).toBe('BLOB_UPLOAD_UNKNOWN')
  })

  it('mounts from a source that it may pull', async () => {
    await guarded.as(ROOT, 'POST', `/v2/base/blobs/uploads/?digest=${PRESENT}`, { body: 'layer' })
    const target = `/v2/app/blobs/uploads/?mount=${PRESENT}&from=base`
    expect((await guarded.as(WRITER, 'POST', target)).status).toBe(201)
  })
})

describe('a caller whose pull is limited to some tags', () => {
  const tagsSeenBy = async (login: Record<string, string>, query = '') =>
    guarded.as(login, 'GET', `/v2/app/tags/list${query}`)
  beforeEach(async () => {
    const body = imageOf(['layer'])
    for (const tag of ['a', 'b', 'v1', 'v2', 'w'])
      await guarded.as(ROOT, 'PUT', `/v2/app/manifests/${tag}`, { headers, body })
  })

  it('is shown only those tags', async () => {
    expect((await tagsSeenBy(ROOT)).json.tags).toEqual(['a', 'b', 'v1', 'v2', 'w'])
    expect((await tagsSeenBy(READER)).json.tags).toEqual(['v1', 'v2'])
  })

  it('is shown those tags in full pages', async () => {
    const page = await tagsSeenBy(READER, '?n=1')
    expect([page.json.tags, page.headers.link]).toEqual([['v1'], expect.stringContaining('last=v1')])
    const last = await tagsSeenBy(READER, '?n=1&last=v1')
    expect([last.json.tags, last.headers.link]).toEqual([['v2'], undefined])
  })

  it('pulls those tags, and any manifest by digest', async () => {
    const status = async (reference: string) =>
      (await guarded.as(READER, 'GET', `/v2/app/manifests/${reference}`)).status
    expect([await status('v1'), await status('a'), await status(digest(imageOf(['layer'])))]).toEqual([
      200, 403, 200,
    ])
  })
})
