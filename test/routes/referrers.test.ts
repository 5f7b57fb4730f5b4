import { beforeEach, describe, expect, it } from 'vitest'
import { OCI_IMAGE, OCI_INDEX } from '../../lambda/protocol/media-types.ts'
import {
  CONFIG,
  type Descriptor,
  descriptorOf,
  digest,
  type Fields,
  imageOf,
  indexOf,
} from '../support/content.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { openRegistry, type TestRegistry } from '../support/registry.ts'

const SUBJECT = descriptorOf('the image that others refer to', OCI_IMAGE)
const REFERRERS = `/v2/a/b/referrers/${SUBJECT.digest}`
const SBOM = 'application/vnd.example.sbom'
const SIGNATURE = 'application/vnd.example.signature'

let registry: TestRegistry
beforeEach(async () => {
  registry = openRegistry()
  await registry.pushBlob('a/b', '{}')
})

/** Pushes an image that refers to the subject. Returns its descriptor without artifact type and annotations. */
async function refer(more: Fields = {}, subject = SUBJECT): Promise<Descriptor> {
  const document = imageOf([], { subject, ...more })
  const { headers, status, text } = await registry.putManifest('a/b', digest(document), document)
  expect(status, text).toBe(201)
  expect(headers['oci-subject']).toBe(subject.digest)
  return descriptorOf(document, OCI_IMAGE)
}
const list = async (query = '') =>
  (await registry.expectStatus(200, 'GET', REFERRERS + query)).json.manifests ?? []
const digestsOf = (descriptors: readonly Descriptor[]) => descriptors.map(one => one.digest).sort()

describe('the referrers of a digest', () => {
  it('are an image index with the exact media type', async () => {
    const response = await registry.expectStatus(200, 'GET', REFERRERS)
    expect(response.headers['content-type']).toBe('application/vnd.oci.image.index.v1+json')
    expect(response.json).toEqual({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] })
  })

  it('are an empty index in a repository that does not exist', async () => {
    const response = await registry.expectStatus(200, 'GET', `/v2/never/seen/referrers/${SUBJECT.digest}`)
    expect(response.headers['content-type']).toBe('application/vnd.oci.image.index.v1+json')
    expect(response.json.manifests).toEqual([])
  })

  it.each([99, 100, 101, 201])('are listed completely: %i', async count => {
    for (let i = 0; i < count; i++) await refer({ annotations: { number: String(i) } })
    expect(await list()).toHaveLength(count)
  })

  it('are stored in rows below the limit of DynamoDB, whatever the size of their annotations', async () => {
    const table = new MemoryTable()
    registry = openRegistry({ table })
    await registry.pushBlob('a/b', '{}')
    const annotations = { note: 'x'.repeat(1_000_000) }
    await refer({ annotations })
    for (const row of table.all()) expect(JSON.stringify(row).length).toBeLessThan(400_000)
    expect(await list()).toMatchObject([{ annotations }])
  })

  it.each(['latest', 'sha256:baddigeststring'])(
    'cannot be requested with the reference %s',
    async reference => {
      const response = await registry.expectStatus(400, 'GET', `/v2/a/b/referrers/${reference}`)
      expect(response.code).toBe('DIGEST_INVALID')
    },
  )

  it('exist when the subject does not', async () => {
    const referrer = await refer()
    await registry.expectStatus(404, 'GET', `/v2/a/b/manifests/${SUBJECT.digest}`)
    expect(await list()).toEqual([{ ...referrer, artifactType: CONFIG }])
  })

  it('still exist after the subject is pushed, and after it is deleted', async () => {
    const subject = imageOf([])
    await refer({}, descriptorOf(subject, OCI_IMAGE))
    const path = `/v2/a/b/referrers/${digest(subject)}`
    await registry.pushManifest('a/b', 'latest', subject)
    expect((await registry.get(path)).json.manifests).toHaveLength(1)
    await registry.expectStatus(202, 'DELETE', `/v2/a/b/manifests/${digest(subject)}`)
    expect((await registry.get(path)).json.manifests).toHaveLength(1)
  })

  it.each(['application/spdx%2Bjson', 'application/spdx+json'])(
    'are filtered by the artifact type %s',
    async type => {
      const referrer = await refer({ artifactType: 'application/spdx+json' })
      await refer({ artifactType: SIGNATURE })
      const { json } = await registry.get(`/v2/a/b/referrers/${SUBJECT.digest}?artifactType=${type}`)
      expect(digestsOf(json.manifests ?? [])).toEqual([referrer.digest])
    },
  )

  it('may have a subject with a sha512 digest', async () => {
    const subject = descriptorOf('subject', OCI_IMAGE, 'sha512')
    await refer({}, subject)
    expect((await registry.get(`/v2/a/b/referrers/${subject.digest}`)).json.manifests).toHaveLength(1)
  })

  it('do not include those of other repositories', async () => {
    await refer()
    expect((await registry.get(`/v2/a/referrers/${SUBJECT.digest}`)).json.manifests).toEqual([])
  })

  it('do not include a deleted referrer, but include one whose tag is deleted', async () => {
    const deleted = await refer({ artifactType: SBOM })
    const kept = await refer({ artifactType: SIGNATURE })
    const tagged = imageOf([], { subject: SUBJECT, artifactType: SIGNATURE })
    await registry.pushManifest('a/b', 'signature', tagged)
    await registry.expectStatus(202, 'DELETE', '/v2/a/b/manifests/signature')
    await registry.expectStatus(202, 'DELETE', `/v2/a/b/manifests/${deleted.digest}`)
    expect(digestsOf(await list())).toEqual([kept.digest])
  })

  it('include a referrer once when it is pushed repeatedly, and each push returns the subject', async () => {
    for (let i = 0; i < 3; i++) await refer()
    const document = imageOf([], { subject: SUBJECT })
    expect((await registry.putManifest('a/b', 'tagged', document)).headers['oci-subject']).toBe(
      SUBJECT.digest,
    )
    expect(await list()).toHaveLength(1)
  })
})

describe('the descriptor of a referrer', () => {
  it('contains the artifact type and the annotations', async () => {
    const annotations = { 'org.example.key': 'välue', empty: '' }
    const referrer = await refer({ artifactType: SBOM, annotations })
    expect(await list()).toEqual([{ ...referrer, artifactType: SBOM, annotations }])
  })

  it.each([undefined, '', null])(
    'has the media type of the config when the artifact type of an image is %j',
    async artifactType => {
      await refer({ artifactType })
      expect((await list())[0]?.artifactType).toBe(CONFIG)
    },
  )

  it('of an index has the artifact type of the index, or none', async () => {
    for (const more of [{ artifactType: SBOM }, {}])
      await registry.pushManifest('a/b', 'index', indexOf([], { subject: SUBJECT, ...more }))
    const types = (await list()).map(one => [one.mediaType, one.artifactType])
    expect(types).toContainEqual([OCI_INDEX, SBOM])
    expect(types).toContainEqual([OCI_INDEX, undefined])
  })

  it('has no annotations when the manifest has none', async () => {
    await refer()
    expect((await list())[0]).not.toHaveProperty('annotations')
  })

  it.each([1_000, 16_000, 17_000, 400_000, 3_900_000])('contains annotations of %i bytes', async size => {
    const annotations = { huge: 'x'.repeat(size) }
    const referrer = await refer({ annotations })
    expect(await list()).toEqual([{ ...referrer, artifactType: CONFIG, annotations }])
  })
})

describe('the artifactType filter', () => {
  beforeEach(async () => {
    await refer({ artifactType: SBOM })
    await refer({ artifactType: SIGNATURE })
    await refer()
  })

  it.each([SBOM, SIGNATURE, CONFIG])(
    'lists only referrers of %s, and is named in OCI-Filters-Applied',
    async type => {
      const response = await registry.expectStatus(
        200,
        'GET',
        `${REFERRERS}?artifactType=${encodeURIComponent(type)}`,
      )
      expect(response.headers['oci-filters-applied']).toBe('artifactType')
      expect(response.json.manifests?.map(one => one.artifactType)).toEqual([type])
    },
  )

  it('lists nothing for a type without referrers', async () => {
    const response = await registry.expectStatus(200, 'GET', `${REFERRERS}?artifactType=text/none`)
    expect(response.headers['oci-filters-applied']).toBe('artifactType')
    expect(response.json.manifests).toEqual([])
  })

  it.each(['', '?artifactType='])('is not applied without a type: %j', async query => {
    const response = await registry.expectStatus(200, 'GET', REFERRERS + query)
    expect(response.headers).not.toHaveProperty('oci-filters-applied')
    expect(response.json.manifests).toHaveLength(3)
  })
})

describe('pages of referrers', () => {
  const walk = async (query: string) => {
    const pages: (readonly Descriptor[])[] = []
    for await (const page of registry.pages(REFERRERS + query)) pages.push(page.json.manifests ?? [])
    return pages
  }

  it.each([1, 2, 3, 6, 7, 8])('of %i contain every referrer once', async n => {
    const all: Descriptor[] = []
    for (let i = 0; i < 7; i++) all.push(await refer({ annotations: { i: String(i) } }))
    const pages = await walk(`?n=${n}`)
    expect(pages.flat().map(one => one.digest)).toEqual(digestsOf(all))
    expect(pages).toHaveLength(Math.ceil(7 / n))
  })

  it.each([1, 2, 3])('of %i keep the filter', async n => {
    for (let i = 0; i < 8; i++)
      await refer({ artifactType: i % 2 ? SBOM : SIGNATURE, annotations: { i: String(i) } })
    const type = encodeURIComponent(SBOM)
    for await (const page of registry.pages(`${REFERRERS}?artifactType=${type}&n=${n}`)) {
      expect(page.headers['oci-filters-applied']).toBe('artifactType')
      expect(page.json.manifests?.every(one => one.artifactType === SBOM)).toBe(true)
    }
    expect((await walk(`?artifactType=${type}&n=${n}`)).flat()).toHaveLength(4)
  })

  it.each(['?n=0', '?n=0&last=a', '?n=0&artifactType=text/none'])(
    'of size 0 have no next page: %s',
    async query => {
      await refer()
      expect(await walk(query)).toEqual([[]])
    },
  )

  it.each(['-1', 'ten', '', '99999999999999'])('contain all referrers when n is invalid: n=%s', async n => {
    for (let i = 0; i < 3; i++) await refer({ annotations: { i: String(i) } })
    expect(await list(`?n=${n}`)).toHaveLength(3)
  })

  it.each(['zzz', 'sha256:', '%00', '%23', 'x'.repeat(5000)])(
    'are returned for any last: last=%s',
    async last => {
      await refer()
      expect(await list(`?last=${last}`)).toBeInstanceOf(Array)
    },
  )

  it.each(['x', '鯨'])(
    'stay below the maximum size of a manifest with large annotations: %s',
    async character => {
      const all: Descriptor[] = []
      const huge = character.repeat(1_500_000 / Buffer.byteLength(character))
      for (let i = 0; i < 4; i++) all.push(await refer({ annotations: { huge, i: String(i) } }))
      const pages: number[] = []
      const listed: string[] = []
      for await (const page of registry.pages(REFERRERS)) {
        pages.push(page.bytes.length)
        listed.push(...(page.json.manifests ?? []).map(one => one.digest))
      }
      expect(Math.max(...pages)).toBeLessThanOrEqual(4 * 1024 * 1024)
      expect(listed).toEqual(digestsOf(all))
    },
  )
})
