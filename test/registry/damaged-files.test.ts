import { existsSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ObjectMissing } from '../../lambda/store/blobs.ts'
import { FileBlobs } from '../../lambda/store/files/blobs.ts'
import type { BlobRow } from '../../lambda/store/records.ts'
import { collect } from '../support/bytes.ts'
import { digest, imageOf } from '../support/content.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { GRACE_PERIOD, openRegistry, type TestRegistry } from '../support/registry.ts'
import { TempDir } from '../support/temp-dir.ts'

const CONTENT = 'the content of a layer'
const DIGEST = digest(CONTENT)
const BLOB = `/v2/a/blobs/${DIGEST}`

/** Damages that only the file itself shows. */
const DAMAGES: readonly [name: string, damage: (file: string) => void][] = [
  ['missing', file => rmSync(file)],
  ['empty', file => truncateSync(file, 0)],
  ['cut short', file => truncateSync(file, 5)],
]

let scratch: TempDir
let table: MemoryTable
let store: FileBlobs
let registry: TestRegistry
beforeEach(async () => {
  scratch = new TempDir()
  table = new MemoryTable()
  store = await FileBlobs.open(scratch.path)
  registry = openRegistry({ table, store })
})
afterEach(() => scratch.remove())

const fileOf = (object: string) => join(scratch.path, 'blobs', object.slice(0, 2), object)

const fileOfBlob = async () => {
  const row = await table.get<BlobRow>({ partition: `blob#${DIGEST}`, sort: 'object' })
  return fileOf(row?.object ?? '')
}

const files = () =>
  readdirSync(scratch.path, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))

describe.each(DAMAGES)('a blob whose file is %s', (_, damage) => {
  beforeEach(async () => {
    await registry.pushBlob('a', CONTENT)
    damage(await fileOfBlob())
  })

  it.each([
    ['GET', {}],
    ['GET', { range: 'bytes=2-20' }],
    ['HEAD', {}],
  ] as const)('responds 404 to %s %o and logs a fault', async (method, headers) => {
    const { exchange } = await registry.expectStatus(404, method, BLOB, { headers })

    expect(exchange).toMatchObject({ code: 'BLOB_UNKNOWN', fault: expect.any(ObjectMissing) })
  })

  it.each(['a', 'b'])('is restored by a push to %s in one request', async repository => {
    await registry.pushBlob(repository, CONTENT)

    expect((await registry.expectStatus(200, 'GET', BLOB)).text).toBe(CONTENT)
    await registry.expectStatus(200, 'HEAD', BLOB)
  })

  it('is restored by a push in chunks', async () => {
    const location = await registry.beginUpload('a')
    await registry.expectStatus(202, 'PATCH', location, { body: CONTENT.slice(0, 7) })
    await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`, { body: CONTENT.slice(7) })

    expect((await registry.expectStatus(200, 'GET', BLOB)).text).toBe(CONTENT)
  })

  it.each(['a', 'b'])('is not mounted into %s, so that the client uploads it', async repository => {
    await registry.expectStatus(202, 'POST', `/v2/${repository}/blobs/uploads/?mount=${DIGEST}&from=a`)
  })

  it('stays intact when the collector deletes the upload that restored it', async () => {
    await registry.pushBlob('a', '{}')
    await registry.pushBlob('a', CONTENT)
    await registry.pushManifest('a', 'latest', imageOf([CONTENT]))
    for (let pass = 0; pass < 3; pass++) {
      registry.wait(2 * GRACE_PERIOD)
      expect(await registry.collector.run()).toMatchObject({ failures: [] })
    }

    expect((await registry.expectStatus(200, 'GET', BLOB)).text).toBe(CONTENT)
    expect(files()).toHaveLength(2)
  })
})

describe('an upload of a blob that is stored already', () => {
  it('replaces changed bytes of the same length', async () => {
    await registry.pushBlob('a', CONTENT)
    writeFileSync(await fileOfBlob(), CONTENT.toUpperCase())

    await registry.pushBlob('a', CONTENT)

    expect((await registry.get(BLOB)).text).toBe(CONTENT)
  })

  it('does not disturb a reader that began before', async () => {
    await registry.pushBlob('a', CONTENT)
    const row = await table.get<BlobRow>({ partition: `blob#${DIGEST}`, sort: 'object' })
    const reading = await store.read(row?.object ?? '')

    await registry.pushBlob('b', CONTENT)

    expect((await collect(reading)).toString()).toBe(CONTENT)
  })

  it('never makes the blob unavailable', async () => {
    await registry.pushBlob('a', CONTENT)
    let pushing = true
    const pushes = (async () => {
      for (let push = 0; push < 10; push++) await registry.pushBlob('b', CONTENT)
      pushing = false
    })()
    while (pushing) expect((await registry.get(BLOB)).text).toBe(CONTENT)
    await pushes
  })

  it('takes no additional space', async () => {
    await registry.pushBlob('a', CONTENT)
    await registry.pushBlob('a', CONTENT)

    expect(new Set(files().map(file => statSync(file).ino)).size).toBe(1)
  })

  it('leaves no files when the blob is deleted afterwards', async () => {
    await registry.pushBlob('a', CONTENT)
    await registry.pushBlob('b', CONTENT)
    for (const repository of ['a', 'b'])
      await registry.expectStatus(202, 'DELETE', `/v2/${repository}/blobs/${DIGEST}`)
    for (let pass = 0; pass < 3; pass++) {
      registry.wait(2 * GRACE_PERIOD)
      await registry.collector.run()
    }

    expect(files()).toEqual([])
  })
})

describe.each(DAMAGES)('a manifest above 350 KB whose file is %s', (_, damage) => {
  const document = imageOf(['layer'], { annotations: { fill: 'x'.repeat(400_000) } })
  let file: string
  beforeEach(async () => {
    for (const blob of ['{}', 'layer']) await registry.pushBlob('a', blob)
    const before = files()
    await registry.pushManifest('a', 'latest', document)
    file = files().find(path => !before.includes(path)) ?? ''
    damage(file)
  })

  it('responds 404 and logs a fault', async () => {
    const { exchange } = await registry.expectStatus(404, 'GET', '/v2/a/manifests/latest')

    expect(exchange.code).toBe('MANIFEST_UNKNOWN')
    expect(exchange.fault).toBeDefined()
  })

  it('is restored by another push', async () => {
    await registry.pushManifest('a', 'latest', document)

    expect(existsSync(file)).toBe(true)
    expect((await registry.expectStatus(200, 'GET', '/v2/a/manifests/latest')).text).toBe(document)
  })
})
