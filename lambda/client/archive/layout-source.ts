import * as v from 'valibot'
import { algorithmOf, type Digest, hexOf, parseDigest } from '../../protocol/digest.ts'
import { MAX_MANIFEST_SIZE } from '../../protocol/manifest.ts'
import { shapeOf } from '../../protocol/media-types.ts'
import type { ByteRange } from '../../protocol/ranges.ts'
import type { Reference, Tag } from '../../protocol/reference.ts'
import { ClientError } from '../client-error.ts'
import { type BlobDescriptor, type ManifestContent, mediaTypeIn, parseContent } from '../content.ts'
import { validTag } from '../image-name.ts'
import type { Source } from '../ports.ts'
import type { Bytes } from '../registry/transport.ts'
import { hasDigest } from '../verify.ts'
import { type FileSet, readFile, readJson } from './file-set.ts'
import type { ArchiveImage } from './image-archive.ts'

/** Annotations of `index.json` that name an image (image spec, "Pre-Defined Annotation Keys"; the second is containerd's). */
export const REF_NAME = 'org.opencontainers.image.ref.name'
export const CONTAINERD_NAME = 'io.containerd.image.name'

const LayoutIndex = v.looseObject({
  manifests: v.array(
    v.looseObject({
      mediaType: v.optional(v.string()),
      digest: v.string(),
      annotations: v.optional(v.nullable(v.record(v.string(), v.string()))),
    }),
  ),
})

interface IndexEntry {
  readonly digest: Digest
  readonly mediaType: string | undefined
  readonly names: readonly string[]
}

/** The tag that stands for the referrers API, and those of cosign. */
const DIGEST_TAG = /^sha256-[0-9a-f]{64}(?:\..*)?$/

/** Path of a blob in a layout (image spec, "OCI Image Layout"). */
export function blobPath(digest: Digest): string {
  return `blobs/${algorithmOf(digest)}/${hexOf(digest)}`
}

/** The images that `index.json` names, without signatures and other referrers. @throws {ClientError} */
export async function layoutImages(files: FileSet): Promise<readonly ArchiveImage[]> {
  const source = await LayoutSource.open(files)
  const images = new Map<Digest, string[]>()
  for (const { digest, names } of await source.images())
    images.set(digest, [...(images.get(digest) ?? []), ...names])
  return [...images].map(([digest, names]) => ({
    names: [...new Set(names)],
    id: digest,
    open: async () => ({ source, reference: { kind: 'digest', digest } }),
  }))
}

/** An OCI layout, in a folder or in an archive. */
export class LayoutSource implements Source {
  readonly #files: FileSet
  readonly #index: readonly IndexEntry[]
  /** What an index says of its manifests: their documents need not say it. */
  readonly #mediaTypes = new Map<Digest, string>()
  #subjects: Promise<ReadonlyMap<Digest, readonly Digest[]>> | undefined

  static async open(files: FileSet): Promise<LayoutSource> {
    const parsed = v.safeParse(LayoutIndex, await readJson(files, 'index.json'))
    if (!parsed.success) throw new ClientError(`index.json of ${files.name} is not an image index`)
    const index = parsed.output.manifests.map(({ digest, mediaType, annotations }) => ({
      digest: digestOf(digest, files.name),
      mediaType,
      names: [annotations?.[CONTAINERD_NAME], annotations?.[REF_NAME]].filter(name => name !== undefined),
    }))
    return new LayoutSource(files, index)
  }

  private constructor(files: FileSet, index: readonly IndexEntry[]) {
    this.#files = files
    this.#index = index
    for (const { digest, mediaType } of index) if (mediaType) this.#mediaTypes.set(digest, mediaType)
  }

  get name(): string {
    return this.#files.name
  }

  /** All entries where every one is a referrer. */
  async images(): Promise<readonly IndexEntry[]> {
    const referrers = new Set([...(await this.#referrers()).values()].flat())
    const images = this.#index.filter(
      ({ digest, names }) => !referrers.has(digest) && !names.some(name => DIGEST_TAG.test(name)),
    )
    return images.length > 0 ? images : this.#index
  }

  async manifest(reference: Reference): Promise<ManifestContent> {
    const digest = reference.kind === 'digest' ? reference.digest : this.#named(reference.tag)
    const bytes = await readFile(this.#files, blobPath(digest), MAX_MANIFEST_SIZE)
    if (!hasDigest(bytes, digest))
      throw new ClientError(`manifest ${digest} of ${this.name} has other bytes than its digest says`)
    const manifest = { bytes, digest, mediaType: this.#mediaTypes.get(digest) ?? mediaTypeIn(bytes) }
    for (const child of parseContent(manifest, `${this.name}@${digest}`).children)
      this.#mediaTypes.set(child.digest, child.mediaType)
    return manifest
  }

  #named(name: string): Digest {
    const found = this.#index.find(({ names }) => names.includes(name))
    if (found) return found.digest
    throw new ClientError(`${this.name} has no image named "${name}"`)
  }

  blob({ digest }: BlobDescriptor, range?: ByteRange): Bytes {
    return this.#files.open(blobPath(digest), range)
  }

  async referrers(subject: Digest): Promise<readonly Digest[]> {
    return (await this.#referrers()).get(subject) ?? []
  }

  async tags(): Promise<readonly Tag[]> {
    return this.#index.flatMap(({ names }) => names.flatMap(validTag))
  }

  /** By subject: the manifests of `index.json`, and those that a tag in place of the referrers API lists. */
  #referrers(): Promise<ReadonlyMap<Digest, readonly Digest[]>> {
    this.#subjects ??= this.#readSubjects()
    return this.#subjects
  }

  async #readSubjects(): Promise<ReadonlyMap<Digest, readonly Digest[]>> {
    const subjects = new Map<Digest, Digest[]>()
    const seen = new Set<Digest>()
    const add = async (digest: Digest, follow: boolean): Promise<void> => {
      if (seen.has(digest)) return
      seen.add(digest)
      const manifest = await this.manifest({ kind: 'digest', digest })
      const { subject, children } = parseContent(manifest, `${this.name}@${digest}`)
      if (subject) subjects.set(subject, [...(subjects.get(subject) ?? []), digest])
      if (follow) for (const child of children) await add(child.digest, false)
    }
    const manifests = this.#index.filter(({ mediaType }) => mediaType === undefined || shapeOf(mediaType))
    for (const { digest, names } of manifests)
      await add(
        digest,
        names.some(name => DIGEST_TAG.test(name)),
      )
    return subjects
  }
}

function digestOf(text: string, name: string): Digest {
  try {
    return parseDigest(text)
  } catch {
    throw new ClientError(
      `index.json of ${name} has a digest that is none: ${JSON.stringify(text.slice(0, 100))}`,
    )
  }
}
