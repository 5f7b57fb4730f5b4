import type { Digest } from '../../protocol/digest.ts'
import type { ManifestContent } from '../content.ts'
import { CONTAINERD_NAME, REF_NAME } from './layout-source.ts'

export const LAYOUT_FILE = Buffer.from('{"imageLayoutVersion":"1.0.0"}')

/** How an image is named in a layout. */
export interface LayoutName {
  /** Tag, or the name of a tag that stands for referrers. */
  readonly tag: string
  /** With registry and repository, as `docker load` and containerd want it. */
  readonly full?: string | undefined
}

/** An entry of `index.json`. */
export type IndexEntry = Readonly<Record<string, unknown>> & {
  readonly digest: string
  readonly annotations?: Readonly<Record<string, string>> | null | undefined
}

/** The entries of `index.json` as they grow. A name that is given again moves to the new image. */
export class LayoutIndexBuilder {
  #entries: readonly IndexEntry[]

  constructor(entries: readonly IndexEntry[] = []) {
    this.#entries = entries
  }

  add({ mediaType, digest, bytes }: ManifestContent, name?: LayoutName): void {
    const annotations = name && { [REF_NAME]: name.tag, ...(name.full && { [CONTAINERD_NAME]: name.full }) }
    const entry = { mediaType, digest, size: bytes.length, ...(annotations && { annotations }) }
    const others = this.#entries.filter(one =>
      name ? !hasName(one, name) && !isNameless(one, digest) : one.digest !== digest,
    )
    const isListed = !name && this.has(digest)
    if (!isListed) this.#entries = [...others, entry]
  }

  has(digest: Digest): boolean {
    return this.#entries.some(one => one.digest === digest)
  }

  toBytes(): Buffer {
    const mediaType = 'application/vnd.oci.image.index.v1+json'
    return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests: this.#entries }))
  }
}

function hasName({ annotations }: IndexEntry, { tag, full }: LayoutName): boolean {
  if (annotations?.[REF_NAME] !== tag) return false
  // Images of several repositories may have the same tag.
  const other = annotations[CONTAINERD_NAME]
  return full === undefined || other === undefined || other === full
}

function isNameless({ annotations, digest }: IndexEntry, same: Digest): boolean {
  return digest === same && annotations?.[REF_NAME] === undefined
}
