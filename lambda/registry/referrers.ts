import type { Digest } from '../protocol/digest.ts'
import { type Manifest, parseManifest } from '../protocol/manifest.ts'
import type { RepositoryName } from '../protocol/name.ts'
import type { Page } from '../protocol/pagination.ts'
import { keys, stretches } from '../store/keys.ts'
import type { Descriptor, ManifestRow, ReferrerRow } from '../store/records.ts'
import type { Write } from '../store/table.ts'
import { loadContent } from './content.ts'
import type { Dependencies } from './dependencies.ts'

/** Annotations above this many bytes are not kept twice, but read from the manifest when it is listed. */
const ANNOTATIONS_LIMIT = 16_384

/** How much of a page may be descriptors, in bytes: an index, too, must stay below the manifest limit. */
const PAGE_BYTES = 3_500_000

/** What refers to what: the `subject` of manifests, seen from the other end. */
export class Referrers {
  readonly #deps: Dependencies
  constructor(deps: Dependencies) {
    this.#deps = deps
  }

  /**
   * One page of the manifests whose subject is `subject`, which need not exist.
   * @returns the descriptors, and the digest to go on behind when there may be more
   */
  async list(
    name: RepositoryName,
    subject: Digest,
    { limit, last }: Page,
    artifactType?: string,
  ): Promise<{ descriptors: Descriptor[]; next?: string }> {
    if (limit === 0) return { descriptors: [] } // a Link to behind nothing would lead here again
    const { partition, prefix } = stretches.referrers(name, subject)
    const descriptors: Descriptor[] = []
    let bytes = 0
    let after = prefix + (last ?? '')
    for (;;) {
      const rows = await this.#deps.table.query<ReferrerRow>(partition, { prefix, after, limit: limit + 1 })
      for (const row of rows) {
        if (artifactType !== undefined && row.descriptor.artifactType !== artifactType) {
          after = row.sort
          continue
        }
        const descriptor = await this.#whole(name, row)
        bytes += Buffer.byteLength(JSON.stringify(descriptor))
        const full = descriptors.length === limit || (bytes > PAGE_BYTES && descriptors.length > 0)
        if (full) return { descriptors, next: after.slice(prefix.length) }
        descriptors.push(descriptor)
        after = row.sort
      }
      if (rows.length <= limit) return { descriptors }
    }
  }

  async #whole(name: RepositoryName, { descriptor, abridged }: ReferrerRow): Promise<Descriptor> {
    if (!abridged) return descriptor
    const row = await this.#deps.table.get<ManifestRow>(keys.manifest(name, descriptor.digest))
    if (!row) return descriptor
    const { annotations } = parseManifest(await loadContent(this.#deps.store, row), row.mediaType)
    return { ...descriptor, ...(annotations && { annotations }) }
  }
}

/** The write, if any, that lists a manifest among the referrers of its subject. */
export function noteReferrer(
  name: RepositoryName,
  digest: Digest,
  size: number,
  manifest: Manifest,
): Write[] {
  const { mediaType, subject, artifactType, annotations } = manifest
  if (!subject) return []
  const abridged = annotations !== undefined && JSON.stringify(annotations).length > ANNOTATIONS_LIMIT
  const descriptor: Descriptor = {
    mediaType,
    digest,
    size,
    ...(artifactType && { artifactType }),
    ...(annotations && !abridged && { annotations }),
  }
  return [
    { put: { ...keys.referrer(name, subject, digest), descriptor, ...(abridged && { abridged: true }) } },
  ]
}
