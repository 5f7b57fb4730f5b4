import type { Digest } from '../../protocol/digest.ts'
import type { Tag } from '../../protocol/reference.ts'
import type { BlobDescriptor } from '../content.ts'
import type { OpenBlob, Source, Target } from '../ports.ts'
import { type Progress, SILENT, type Totals } from '../progress.ts'
import { verified } from '../verify.ts'
import { inParallel } from './parallel.ts'
import type { Plan } from './plan.ts'

export interface CopyOptions {
  /** Tags that the image gets in the target. None: it is written by its digest alone. */
  readonly tags: readonly Tag[]
  readonly progress?: Progress | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Brings what a plan names from a source to a target. What the target has is skipped, so a copy that failed is resumed when it is repeated.
 * A tag is written after everything that it stands for.
 * @throws {ClientError}
 */
export async function copyPlan(
  source: Source,
  target: Target,
  plan: Plan,
  options: CopyOptions,
): Promise<Totals> {
  const { tags, progress = SILENT, signal } = options
  const missing = new Set<Digest>()
  await inParallel(plan.manifests, target.parallel, signal, async ({ digest }, signal) => {
    if (!(await target.hasManifest(digest, signal))) missing.add(digest)
  })
  const all = uniqueBlobs(plan.manifests.flatMap(({ blobs }) => blobs))
  const needed = new Set(
    plan.manifests
      .filter(({ digest }) => missing.has(digest))
      .flatMap(({ blobs }) => blobs.map(({ digest }) => digest)),
  )
  let [copiedBlobs, copiedBytes] = [0, 0]
  await inParallel(all, target.parallel, signal, async (blob, signal) => {
    const found = needed.has(blob.digest) ? await target.findBlob(blob, source.mountable, signal) : 'exists'
    if (!found) {
      const open: OpenBlob = range => source.blob(blob, range, signal)
      await target.putBlob(blob, () => counted(verified(open(), blob, source.name), blob, progress), signal)
      copiedBlobs++
      copiedBytes += blob.size
    }
    progress.finished(blob, found ?? 'copied')
  })
  const last = plan.manifests.at(-1)
  for (const manifest of plan.manifests) {
    // Its tag brings the root too, but some registries want a subject before its referrers.
    const isTaggedBelow = manifest === last && manifest.digest === plan.root.digest && tags.length > 0
    if (manifest.tag || (missing.has(manifest.digest) && !isTaggedBelow))
      await target.putManifest(manifest, manifest.tag, signal)
  }
  for (const tag of tags) await target.putManifest(plan.root, tag, signal)
  const bytes = all.reduce((sum, { size }) => sum + size, 0)
  return { blobs: all.length, bytes, copiedBlobs, copiedBytes, manifests: plan.manifests.length }
}

function uniqueBlobs(blobs: readonly BlobDescriptor[]): BlobDescriptor[] {
  return [...new Map(blobs.map(blob => [blob.digest, blob])).values()]
}

async function* counted(
  bytes: ReturnType<OpenBlob>,
  blob: BlobDescriptor,
  progress: Progress,
): ReturnType<OpenBlob> {
  let moved = 0
  progress.moved(blob, 0)
  for await (const piece of bytes) {
    yield piece
    moved += piece.length
    progress.moved(blob, moved)
  }
}
