import { createHash } from 'node:crypto'
import { type Digest, digestOf } from '../../lambda/protocol/digest.ts'
import { parseManifest } from '../../lambda/protocol/manifest.ts'
import type { RepositoryName } from '../../lambda/protocol/name.ts'
import type { SessionAddress, UploadId } from '../../lambda/protocol/reference.ts'
import type { ObjectName } from '../../lambda/store/blobs.ts'
import { directObject, parseDirectObject } from '../../lambda/store/direct-object.ts'
import type {
  BlobRow,
  GarbageRow,
  LinkRow,
  ManifestRow,
  TagRow,
  UploadRow,
} from '../../lambda/store/records.ts'
import type { Item } from '../../lambda/store/table.ts'
import type { World } from './world.ts'

/** Every violation of the invariants of docs/architecture.md by the rows and objects of a registry. */
export function violations({ table, store }: World): string[] {
  const rows = new Rows(table.all())
  const found: string[] = []
  const expect = (holds: boolean, violation: string) => {
    if (!holds) found.push(violation)
  }

  const names = rows.objectNames()
  for (const object of store.objects.keys()) {
    const direct = parseDirectObject(object)
    const count = names.filter(name => name === object).length
    // The review of its session may write another garbage row for it. Only a session can make a blob of it, so that is
    // never too early.
    if (direct) expect(count >= 1 || rows.isReviewed(direct), `I1: no row leads to ${object}`)
    else expect(count === 1, `I1: ${object} is not named by exactly one row`)
  }

  for (const blob of rows.blobs()) {
    const digest = blob.partition.slice('blob#'.length) as Digest
    const bytes = store.objects.get(blob.object)
    expect(bytes !== undefined && hash(bytes) === digest, `the object of ${digest} holds other bytes`)
    const links = rows.links().filter(link => link.sort === `blob#${digest}`)
    expect(links.length === blob.links, `I2: ${digest} counts ${blob.links} links, not ${links.length}`)
    for (const link of links)
      expect(link.object === blob.object, `I2: ${link.partition} names another object for ${digest}`)
  }
  for (const { partition, sort } of rows.links())
    expect(rows.has(sort, 'object'), `I2: ${partition} links a missing ${sort}`)

  for (const row of rows.manifests()) {
    const { partition, push } = row
    const digest = row.sort.slice('manifest#'.length)
    const bytes = 'bytes' in row ? row.bytes : store.objects.get(row.object)
    if (!bytes || hash(bytes) !== digest) {
      found.push(`${digest} has lost its bytes`)
      continue
    }
    const { blobs, children, subject } = parseManifest(bytes, row.mediaType)
    for (const blob of blobs) {
      expect(rows.has(partition, `blob#${blob}`), `I3: ${digest} has lost ${blob} in ${partition}`)
      expect(rows.has(partition, `ref#${blob}#${digest}#${push}`), `I3: ${digest} has no ref to ${blob}`)
    }
    for (const child of children)
      expect(
        rows.has(partition, `parent#${child}#${digest}#${push}`),
        `I3: ${digest} has no parent row for ${child}`,
      )
    if (subject)
      expect(
        rows.has(partition, `referrer#${subject}#${digest}`),
        `${digest} is not among its subject's referrers`,
      )
  }

  for (const { partition, sort, digest } of rows.tags()) {
    const tag = sort.slice('tag#'.length)
    expect(rows.has(partition, `manifest#${digest}`), `${tag} points to a missing manifest`)
    expect(rows.has(partition, `tagged#${digest}#${tag}`), `${tag} has no reverse row`)
  }
  for (const { partition, sort } of rows.named('tagged#')) {
    const [digest, tag] = sort.slice('tagged#'.length).split('#')
    expect(
      rows
        .tags()
        .some(row => row.partition === partition && row.sort === `tag#${tag}` && row.digest === digest),
      `${sort} contradicts its tag`,
    )
  }
  return found
}

/** Unreferenced rows and objects. A few grace periods after the last push there must be none. */
export function leftovers({ table, store }: World): string[] {
  const rows = new Rows(table.all())
  const needed = rows.named('ref#').map(({ partition, sort }) => `${partition} blob#${sort.split('#')[1]}`)
  const links = rows.links().filter(({ partition, sort }) => !needed.includes(`${partition} ${sort}`))
  const manifests = rows.manifests().map(row => row.push)
  const stale = [...rows.named('ref#'), ...rows.named('parent#')].filter(
    ({ sort }) => !manifests.includes(sort.split('#')[3] ?? ''),
  )
  const owned = [...rows.blobs(), ...rows.manifests()].map(row => ('object' in row ? row.object : ''))
  return [
    ...[...links, ...stale, ...rows.uploads(), ...rows.garbage()].map(
      ({ partition, sort }) => `${partition} ${sort}`,
    ),
    ...[...store.objects.keys()].filter(object => !owned.includes(object)),
    ...rows
      .blobs()
      .filter(blob => blob.links === 0)
      .map(blob => blob.partition),
  ]
}

class Rows {
  readonly #all: readonly Item[]
  readonly #keys: ReadonlySet<string>
  constructor(all: readonly Item[]) {
    this.#all = all
    this.#keys = new Set(all.map(({ partition, sort }) => `${partition} ${sort}`))
  }

  has = (partition: string, sort: string) => this.#keys.has(`${partition} ${sort}`)
  named = (prefix: string) =>
    this.#all.filter(row => row.partition.startsWith('repository#') && row.sort.startsWith(prefix))
  blobs = () => this.#all.filter(row => row.partition.startsWith('blob#')) as BlobRow[]
  garbage = () => this.#all.filter(row => row.partition.startsWith('garbage#')) as GarbageRow[]
  links = () => this.named('blob#') as LinkRow[]
  manifests = () => this.named('manifest#') as ManifestRow[]
  tags = () => this.named('tag#') as TagRow[]
  uploads = () => this.named('upload#') as UploadRow[]

  /** Whether a garbage row will review the session of a direct upload. */
  isReviewed({ name, upload }: SessionAddress): boolean {
    return this.garbage().some(
      row => row.what === 'upload' && row.repository === name && row.upload === upload,
    )
  }

  objectNames(): ObjectName[] {
    const inGarbage = this.garbage().map(row =>
      row.what === 'draft' ? row.draft.object : 'object' in row ? row.object : undefined,
    )
    const inRows = [...this.blobs(), ...this.manifests()].map(row =>
      'object' in row ? row.object : undefined,
    )
    const inUploads = this.uploads().map(row => row.draft.object)
    const direct = this.uploads()
      .filter(row => row.direct)
      .map(row => directObject(sessionOf(row)))
    return [...inGarbage, ...inRows, ...inUploads, ...direct].filter(object => object !== undefined)
  }
}

function sessionOf({ partition, sort }: UploadRow): SessionAddress {
  return {
    name: partition.slice('repository#'.length) as RepositoryName,
    upload: sort.slice('upload#'.length) as UploadId,
  }
}

function hash(bytes: Uint8Array): Digest {
  return digestOf('sha256', createHash('sha256').update(bytes).digest('hex'))
}
