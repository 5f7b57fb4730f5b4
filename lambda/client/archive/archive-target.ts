import type { ManifestContent } from '../content.ts'
import type { Target } from '../ports.ts'
import type { LayoutName } from './layout-index.ts'

/** A target that is complete or absent. */
export interface ArchiveTarget extends Target {
  /** Names the image and makes the archive appear. */
  commit(root: ManifestContent, names: readonly LayoutName[]): Promise<void>
  /** Removes what was written. */
  abort(): Promise<void>
}
