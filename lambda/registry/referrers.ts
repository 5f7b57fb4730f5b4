import type { Digest } from '../protocol/digest.ts'
import { type Manifest, parseStoredManifest } from '../protocol/manifest.ts'
import type { RepositoryName } from '../protocol/name.ts'
import type { Page } from '../protocol/pagination.ts'
import { keys, ranges } from '../store/keys.ts'
import type { ManifestRow, ReferrerRow } from '../store/records.ts'
import type { Write } from '../store/table.ts'
import type { Dependencies } from './dependencies.ts'
import { loadContent } from './manifest-content.ts'

/**
 * Larger annotations, in characters of JSON, are not copied into the referrer row. A listing reads them from the
 * manifest.
 */
const MAX_ANNOTATIONS_LENGTH = 16_384

/**
 * How many bytes of a page may be descriptors: the response is an index, which must stay below the maximum size of a
 * manifest.
 */
const MAX_PAGE_BYTES = 3_500_000

/** How many rows one query reads. */
const ROWS_PER_QUERY = 100

/** A manifest as the referrers API lists it. */
export interface Referrer {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
}

/** The referrers API: the manifests whose `subject` is a given manifest. */
export class Referrers {
  readonly #deps: Dependencies
  constructor(deps: Dependencies) {
    this.#deps = deps
  }

  /**
   * One page of the referrers of `subject`, which need not exist.
   * @returns the referrers, and `next`, the digest after which the next page begins, if there may be more
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
      const referrer = await this.#complete(name, row)
      bytes += Buffer.byteLength(JSON.stringify(referrer))
      const previous = referrers.at(-1)
      const isFull = referrers.length === limit || (previous && bytes > MAX_PAGE_BYTES)
      if (isFull) return { referrers, ...(previous && { next: previous.digest }) }
      referrers.push(referrer)
    }
    return { referrers }
  }

  async *#rows(name: RepositoryName, subject: Digest, last = ''): AsyncGenerator<ReferrerRow> {
    const { partition, prefix } = ranges.referrers(name, subject)
    let after = prefix + last
    for (;;) {
      const rows = await this.#deps.table.query<ReferrerRow>(partition, {
        prefix,
        after,
        limit: ROWS_PER_QUERY,
      })
      yield* rows
      const end = rows.at(-1)
      if (!end || rows.length < ROWS_PER_QUERY) return
      after = end.sort
    }
  }

  async #complete(name: RepositoryName, { descriptor, abridged }: ReferrerRow): Promise<Referrer> {
    const referrer: Referrer = JSON.parse(descriptor)
    if (!abridged) return referrer
    const row = await this.#deps.table.get<ManifestRow>(keys.manifest(name, referrer.digest))
    if (!row) return referrer
    const { annotations } = parseStoredManifest(await loadContent(this.#deps.store, row), row.mediaType)
    return { ...referrer, ...(annotations && { annotations }) }
  }
}

/** The write of the referrer row of a manifest; none if the manifest has no subject. */
export function referrerWrites(
  name: RepositoryName,
  digest: Digest,
  size: number,
  manifest: Manifest,
): Write[] {
  const { mediaType, subject, artifactType, annotations } = manifest
  if (!subject) return []
  const abridged = annotations !== undefined && JSON.stringify(annotations).length > MAX_ANNOTATIONS_LENGTH
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
