import { beforeEach, describe, expect, it } from 'vitest'
import { OCI_IMAGE, OCI_INDEX } from '../../../lambda/protocol/media-types.ts'
import type { Write } from '../../../lambda/store/table.ts'
import { basic, type Guarded, openGuarded, PASSWORD } from '../../support/auth.ts'
import { digest, imageOf } from '../../support/content.ts'
import { MemoryTable } from '../../support/memory-table.ts'

const ROOT = basic('root', PASSWORD)
const DEV = basic('dev', PASSWORD)
const IMAGES = ['a', 'b'].map(note => imageOf(['layer'], { note }))
const [first = '', second = ''] = IMAGES

/** Runs a function once, just before the transaction that deletes a manifest. */
class InterruptedTable extends MemoryTable {
  beforeDelete: (() => Promise<unknown>) | undefined

  override async transact(...writes: readonly Write[]): Promise<void> {
    const deletes = writes.some(write => 'delete' in write && write.delete.sort.startsWith('manifest#'))
    const run = deletes ? this.beforeDelete : undefined
    if (run) {
      this.beforeDelete = undefined
      await run()
    }
    return super.transact(...writes)
  }
}

let guarded: Guarded
let table: InterruptedTable
beforeEach(async () => {
  table = new InterruptedTable()
  guarded = await openGuarded({ table })
  await guarded.addUser('dev')
  await guarded.setPolicy({
    rules: [{ name: 'dev', who: ['user:dev'], may: ['pull', 'push', 'delete'], on: ['**'] }],
    immutable: [{ on: ['app'], tags: ['v*'] }],
  })
  for (const blob of ['{}', 'layer'])
    await guarded.as(ROOT, 'POST', `/v2/app/blobs/uploads/?digest=${digest(blob)}`, { body: blob })
})

function indexOf(children: readonly string[], note = ''): string {
  const manifests = children.map(child => ({
    mediaType: child.includes('"layers"') ? OCI_IMAGE : OCI_INDEX,
    digest: digest(child),
    size: child.length,
  }))
  return JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests, annotations: { note } })
}

async function put(body: string, reference: string = digest(body)): Promise<string> {
  const headers = { 'content-type': body.includes('"layers"') ? OCI_IMAGE : OCI_INDEX }
  const response = await guarded.as(ROOT, 'PUT', `/v2/app/manifests/${reference}`, { headers, body })
  expect(response.status, response.text).toBe(201)
  return body
}

const remove = (reference: string, login = ROOT) =>
  guarded.as(login, 'DELETE', `/v2/app/manifests/${reference}`)
const exists = async (body: string) =>
  (await guarded.as(ROOT, 'HEAD', `/v2/app/manifests/${digest(body)}`)).status === 200
/** All rows of the repository: manifests, tags and links. */
const rowsOfApp = async () => JSON.stringify(await table.query('repository#app'))

describe('an immutable tag of an index', () => {
  it.each([
    ['root', ROOT],
    ['dev', DEV],
  ])('prevents %s from deleting the images of the index', async (_, login) => {
    for (const image of IMAGES) await put(image)
    await put(indexOf(IMAGES), 'v1')
    for (const image of IMAGES) {
      const refused = await remove(digest(image), login)
      expect([refused.status, refused.json.errors?.[0]?.code, refused.detail?.because]).toEqual([
        403,
        'DENIED',
        'the tag v1 is immutable and requires this manifest',
      ])
    }
  })

  it('protects the manifests of nested indexes, at any depth', async () => {
    await put(first)
    const inner = await put(indexOf([first]))
    const middle = await put(indexOf([inner], 'middle'))
    await put(indexOf([middle], 'outer'), 'v1')
    for (const body of [first, inner, middle]) expect((await remove(digest(body))).status).toBe(403)
  })

  it('does not protect an image that only other indexes list', async () => {
    for (const image of IMAGES) await put(image)
    await put(indexOf([first]), 'v1')
    await put(indexOf(IMAGES), 'latest')
    expect((await remove(digest(second))).status).toBe(202)
  })

  it('leaves the other tags of the image in place when it refuses a delete', async () => {
    await put(first, 'latest')
    await put(indexOf([first]), 'v1')
    const before = await rowsOfApp()
    expect((await remove(digest(first))).status).toBe(403)
    expect(await rowsOfApp()).toBe(before)
  })

  it('does not protect images in repositories that its rule does not match', async () => {
    await guarded.setPolicy({ rules: [], immutable: [{ on: ['other'], tags: ['**'] }] })
    guarded.wait(60_000)
    await put(first)
    await put(indexOf([first]), 'v1')
    expect((await remove(digest(first))).status).toBe(202)
  })

  it('protects an image whose index is pushed during the delete', async () => {
    await put(first)
    table.beforeDelete = () => put(indexOf([first]), 'v1')
    expect((await remove(digest(first))).status).toBe(403)
    expect(await exists(first)).toBe(true)
  })

  it('protects an image whose index it is moved to during the delete', async () => {
    await put(first, 'latest')
    const index = await put(indexOf([first]))
    table.beforeDelete = () => put(index, 'v1')
    expect((await remove(digest(first))).status).toBe(403)
    expect(await exists(first)).toBe(true)
    expect((await guarded.as(ROOT, 'GET', '/v2/app/tags/list')).json.tags).toEqual(['latest', 'v1'])
  })

  it('does not protect an image once it is mutable and its index is deleted', async () => {
    await put(first)
    await put(indexOf([first]), 'v1')
    await guarded.setPolicy({ rules: [], immutable: [{ on: ['app'], tags: ['w*'] }] })
    guarded.wait(60_000)
    await remove(digest(indexOf([first])))
    expect((await remove(digest(first))).status).toBe(202)
  })

  it('requires that very many indexes are deleted before their image', async () => {
    await put(first)
    const row = { partition: 'repository#app', digest: '' }
    for (let i = 0; i < 1001; i++)
      await table.transact({
        put: { ...row, sort: `parent#${digest(first)}#${digest(`index ${i}`)}#push` },
      })
    const refused = await remove(digest(first))
    expect([refused.status, refused.json.errors?.[0]?.message]).toEqual([
      403,
      expect.stringContaining('delete those indexes first'),
    ])
  })
})

describe('the deletion of a repository', () => {
  it('is refused because of an immutable tag before any row is removed', async () => {
    for (const image of IMAGES) await put(image)
    await put(indexOf(IMAGES), 'v1')
    const before = await rowsOfApp()
    const refused = await guarded.as(ROOT, 'DELETE', '/api/repositories/app')
    expect([refused.status, refused.detail?.because]).toEqual([403, 'the tag v1 is immutable'])
    expect(await rowsOfApp()).toBe(before)
  })

  it('is refused because of an immutable tag outside the first batch of manifests', async () => {
    for (let i = 0; i < 60; i++) await put(imageOf(['layer'], { i: String(i) }))
    const last = Array.from({ length: 60 }, (_, i) => imageOf(['layer'], { i: String(i) })).toSorted(
      (a, b) => (digest(a) < digest(b) ? 1 : -1),
    )[0]
    await put(last ?? '', 'v1')
    expect((await guarded.as(ROOT, 'DELETE', '/api/repositories/app')).status).toBe(403)
    expect((await table.query('repository#app', { prefix: 'manifest#' })).length).toBe(60)
  })

  it('removes indexes and their images if no tag is immutable', async () => {
    for (const image of IMAGES) await put(image)
    await put(indexOf(IMAGES), 'latest')
    expect((await guarded.as(ROOT, 'DELETE', '/api/repositories/app')).json).toEqual({
      removed: 3,
      more: false,
    })
  })
})
