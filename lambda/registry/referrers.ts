import type { Digest } from '../protocol/digest.ts'
import { type Manifest, parseStoredManifest } from '../protocol/manifest.ts'
import type { RepositoryName } from '../protocol/name.ts'
import type { Page } from '../protocol/pagination.ts'
import { keys, ranges } from '../store/keys.ts'
import type { ManifestRow, ReferrerRow } from '../store/records.ts'
import type { Write } from '../store/table.ts'
import type { Dependencies } from './dependencies.ts'
import { loadContent } from './manifest-content.ts'

/** Annotations above this many bytes are not kept twice, but read from the manifest when it is listed. */
const ANNOTATIONS_LIMIT = 16_384

/** How much of a page may be referrers, in bytes: an index, too, must stay below the manifest limit. */
const PAGE_BYTES = 3_500_000

/** How many rows are read at once. */
const QUERY_LIMIT = 100

/** A manifest as the referrers API lists it. */
export interface Referrer {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
}

/** What refers to what: the `subject` of manifests, seen from the other end. */
export class Referrers {
  readonly #deps: Dependencies
  constructor(deps: Dependencies) {
    this.#deps = deps
  }

  /**
   * One page of the manifests whose subject is `subject`, which need not exist.
   * @returns the referrers, and the digest to go on behind when there may be more
   */
  async list(
    name: RepositoryName,
    subject: Digest,
    { limit, last }: Page,
    artifactType?: string,
  ): Promise<{ referrers: Referrer[]; next?: string }> {
    const referrers: Referrer[] = []
    let bytes = 0
    for await (const row of this.#rows(name, subject, last)) {
      if (artifactType !== undefined && row.artifactType !== artifactType) continue
      const referrer = await this.#whole(name, row)
      bytes += Buffer.byteLength(JSON.stringify(referrer))
      const previous = referrers.at(-1)
      const full = referrers.length === limit || (previous && bytes > PAGE_BYTES)
      if (full) return { referrers, ...(previous && { next: previous.digest }) }
      referrers.push(referrer)
    }
    return { referrers }
  }

  async *#rows(name: RepositoryName, subject: Digest, last = ''): AsyncGenerator<ReferrerRow> {
    const { partition, prefix } = ranges.referrers(name, subject)
    let after = prefix + last
    for (;;) {
      const rows = await this.#deps.table.query<ReferrerRow>(partition, { prefix, after, limit: QUERY_LIMIT })
      yield* rows
      const end = rows.at(-1)
      if (!end || rows.length < QUERY_LIMIT) return
      after = end.sort
    }
  }

  async #whole(name: RepositoryName, { descriptor, abridged }: ReferrerRow): Promise<Referrer> {
    const referrer: Referrer = JSON.parse(descriptor)
    if (!abridged) return referrer
    const row = await this.#deps.table.get<ManifestRow>(keys.manifest(name, referrer.digest))
    if (!row) return referrer
    const { annotations } = parseStoredManifest(await loadContent(this.#deps.store, row), row.mediaType)
    return { ...referrer, ...(annotations && { annotations }) }
  }
}

/** The write, if any, that lists a manifest among the referrers of its subject. */
export function referrerWrites(
  name: RepositoryName,
  digest: Digest,
  size: number,
  manifest: Manifest,
): Write[] {
  const { mediaType, subject, artifactType, annotations } = manifest
  if (!subject) return []
  const abridged = annotations !== undefined && JSON.stringify(annotations).length > ANNOTATIONS_LIMIT
  const referrer: Referrer = {
    mediaType,
    digest,
    size,
    ...(artifactType && { artifactType }),
    ...(annotations && !abridged && { annotations }),
  }
  const row: ReferrerRow = {
    ...keys.referrer(name, subject, digest),
    descriptor: JSON.stringify(referrer),
    ...(artifactType && { artifactType }),
    ...(abridged && { abridged }),
  }
  return [{ put: row }]
}
