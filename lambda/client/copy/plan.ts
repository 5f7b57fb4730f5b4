import type { Digest } from '../../protocol/digest.ts'
import type { Reference, Tag } from '../../protocol/reference.ts'
import { ClientError } from '../client-error.ts'
import {
  type BlobDescriptor,
  type ChildDescriptor,
  formatPlatform,
  type ManifestContent,
  matchesPlatform,
  type ParsedManifest,
  type Platform,
  parseContent,
} from '../content.ts'
import { formatReference } from '../image-name.ts'
import type { Source } from '../ports.ts'

export interface PlannedManifest extends ManifestContent {
  readonly blobs: readonly BlobDescriptor[]
  /** A tag of its own, such as those of cosign. The tags of the image are not here. */
  readonly tag?: Tag
}

/** What has to be in the target, in an order in which registries accept it. */
export interface Plan {
  readonly root: ManifestContent
  /** Children before their index, subjects before their referrers. The root is among them. */
  readonly manifests: readonly PlannedManifest[]
}

export interface PlanOptions {
  /** Only the image of this platform. Absent: everything. */
  readonly platform?: Platform | undefined
  /** Whether signatures, SBOMs and other referrers belong to it, by the referrers API and by the tags of cosign. */
  readonly referrers: boolean
  readonly signal?: AbortSignal | undefined
}

/** Bounds what a hostile source can make us read. */
const MAX_MANIFESTS = 10_000
const MAX_CONFIG = 8 * 1024 * 1024

/** Reads the manifests of an image from a source. @throws {ClientError} where one is absent, or the platform is */
export async function planCopy(source: Source, reference: Reference, options: PlanOptions): Promise<Plan> {
  const name = `${source.name}${formatReference(reference)}`
  const named = await source.manifest(reference, options.signal)
  const { platform, signal } = options
  const root = platform ? await selectPlatform(source, { named, name, platform, signal }) : named
  return { root, manifests: await new Planner(source, options).run(root) }
}

class Planner {
  readonly #source: Source
  readonly #options: PlanOptions
  readonly #manifests = new Map<Digest, PlannedManifest>()
  #tags: readonly Tag[] = []

  constructor(source: Source, options: PlanOptions) {
    this.#source = source
    this.#options = options
  }

  async run(root: ManifestContent): Promise<readonly PlannedManifest[]> {
    if (this.#options.referrers) this.#tags = await this.#source.tags(this.#options.signal)
    await this.#add(root)
    return [...this.#manifests.values()]
  }

  async #add(manifest: ManifestContent, tag?: Tag): Promise<void> {
    const { digest } = manifest
    if (this.#manifests.has(digest) && !tag) return
    if (this.#manifests.size >= MAX_MANIFESTS)
      throw new ClientError(`${this.#source.name} has more than ${MAX_MANIFESTS} manifests`)
    const { blobs, children } = parseContent(manifest, `${this.#source.name}@${digest}`)
    for (const child of children)
      if (!this.#manifests.has(child.digest)) await this.#add(await this.#child(child))
    this.#manifests.set(digest, { ...manifest, blobs, ...(tag && { tag }) })
    if (this.#options.referrers) await this.#addReferrers(digest)
  }

  async #child(child: ChildDescriptor): Promise<ManifestContent> {
    const { digest, platform } = child
    const manifest = await this.#source
      .manifest({ kind: 'digest', digest }, this.#options.signal)
      .catch(error => {
        if (!(error instanceof ClientError) || error.cause) throw error
        const which = platform ? ` for ${formatPlatform(platform)}` : ''
        throw new ClientError(
          `${error.message}; it is the manifest${which} of an index: choose one that is there with --platform`,
        )
      })
    // The media type in the index decides: a layout has no other.
    return { ...manifest, mediaType: manifest.mediaType || child.mediaType }
  }

  async #addReferrers(subject: Digest): Promise<void> {
    const { signal } = this.#options
    for (const digest of await this.#source.referrers(subject, signal))
      if (!this.#manifests.has(digest))
        await this.#add(await this.#source.manifest({ kind: 'digest', digest }, signal))
    // cosign: sha256-<hex>.sig, .att and .sbom
    const prefix = `${subject.replace(':', '-')}.`
    for (const tag of this.#tags.filter(one => one.startsWith(prefix)))
      await this.#add(await this.#source.manifest({ kind: 'tag', tag }, signal), tag)
  }
}

interface Selection {
  readonly named: ManifestContent
  readonly name: string
  readonly platform: Platform
  readonly signal?: AbortSignal | undefined
}

async function selectPlatform(
  source: Source,
  { named, name, platform, signal }: Selection,
): Promise<ManifestContent> {
  const { isIndex, children, config } = parseContent(named, name)
  if (!isIndex) {
    const own = config && (await platformOfConfig(source, config, signal))
    if (!own || matchesPlatform(platform, own)) return named
    throw absent(name, platform, [own])
  }
  const found = children.find(child => child.platform && matchesPlatform(platform, child.platform))
  if (found) return source.manifest({ kind: 'digest', digest: found.digest }, signal)
  throw absent(
    name,
    platform,
    children.flatMap(child => child.platform ?? []),
  )
}

function absent(name: string, platform: Platform, others: readonly Platform[]): ClientError {
  // Attestations of BuildKit have the platform unknown/unknown.
  const known = [...new Set(others.filter(({ os }) => os && os !== 'unknown').map(formatPlatform))]
  const has = known.length > 0 ? `it has ${known.join(', ')}` : 'it names no platforms'
  return new ClientError(`${name} has no image for ${formatPlatform(platform)}: ${has}`)
}

/** @returns undefined for artifacts, whose configs name no platform */
export async function platformOfConfig(
  source: Source,
  config: NonNullable<ParsedManifest['config']>,
  signal?: AbortSignal,
): Promise<Platform | undefined> {
  if (config.size > MAX_CONFIG) return undefined
  const pieces: Uint8Array[] = []
  for await (const piece of source.blob(config, undefined, signal)) pieces.push(piece)
  try {
    const { os, architecture, variant } = JSON.parse(Buffer.concat(pieces).toString())
    return os && architecture ? { os, architecture, variant } : undefined
  } catch {
    return undefined
  }
}
