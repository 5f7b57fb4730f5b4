import type { BlobDescriptor } from './content.ts'

export type Outcome = 'copied' | 'exists' | 'mounted'

/** Hears what a copy does. */
export interface Progress {
  /** What comes before the first blob, such as reading standard input. `total` is absent where nobody knows it. */
  prepared(step: string, bytes: number, total?: number): void
  /** How many bytes of a blob have been moved; less than before where an attempt begins anew. */
  moved(blob: BlobDescriptor, bytes: number): void
  finished(blob: BlobDescriptor, outcome: Outcome): void
}

export const SILENT: Progress = { prepared: () => {}, moved: () => {}, finished: () => {} }

/** What a copy did. Sizes are bytes. */
export interface Totals {
  readonly blobs: number
  readonly bytes: number
  readonly copiedBlobs: number
  readonly copiedBytes: number
  readonly manifests: number
}
