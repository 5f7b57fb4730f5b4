import { stat } from 'node:fs/promises'
import type { Reference } from '../../protocol/reference.ts'
import { ClientError, reasonOf } from '../client-error.ts'
import type { Source } from '../ports.ts'
import { type Progress, SILENT } from '../progress.ts'
import type { Bytes } from '../registry/transport.ts'
import { dockerImages } from './docker-source.ts'
import { type FileSet, FolderFiles } from './file-set.ts'
import { layoutImages } from './layout-source.ts'
import { TarFiles } from './tar-files.ts'

/** An image in an archive or a layout. */
export interface ArchiveImage {
  /** Tags and full names that the archive gives it. */
  readonly names: readonly string[]
  /** Its digest in a layout; in an archive of `docker save`, which has none, the path of its config. */
  readonly id: string
  /** @returns where the image is read from */
  open(): Promise<{ readonly source: Source; readonly reference: Reference }>
}

export interface ImageArchive {
  readonly name: string
  readonly images: readonly ArchiveImage[]
  /** Removes temporary files. */
  close(): Promise<void>
}

export interface ArchiveOptions {
  /** Path of an archive or of the folder of an OCI layout, or a stream. */
  readonly from: string | Bytes
  /** For messages. */
  readonly name: string
  /** Folder for temporary files. */
  readonly scratch: string
  /** Compresses the uncompressed layers of what `docker save` wrote, also where it is an OCI layout as well. */
  readonly compress?: boolean
  readonly progress?: Progress | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Opens an OCI layout, as a folder or in a tar archive, or an archive of `docker save`.
 * @throws {ClientError} for anything else
 */
export async function openArchive(options: ArchiveOptions): Promise<ImageArchive> {
  const { name, progress = SILENT } = options
  const files = await openFiles(options, progress)
  const closing: (() => Promise<void>)[] = [() => files.close()]
  const close = async () => {
    for (const each of closing.splice(0).reverse()) await each()
  }
  try {
    return { name, images: await imagesIn(files, options, closing), close }
  } catch (error) {
    await close()
    throw error
  }
}

async function openFiles(
  { from, name, scratch, signal }: ArchiveOptions,
  progress: Progress,
): Promise<FileSet> {
  if (typeof from === 'string' && (await isFolder(from, name))) return new FolderFiles(from, name)
  const files = await TarFiles.open({
    name,
    from,
    scratch,
    signal,
    progress: bytes => progress.prepared(`reading ${name}`, bytes),
  })
  if (!files.isEmpty) return files
  await files.close()
  throw new ClientError(`${name} is empty`)
}

async function isFolder(path: string, name: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch (error) {
    const isAbsent = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw new ClientError(`cannot read ${name}: ${isAbsent ? 'it does not exist' : reasonOf(error)}`)
  }
}

async function imagesIn(
  files: FileSet,
  { scratch, compress = false, progress, signal }: ArchiveOptions,
  closing: (() => Promise<void>)[],
): Promise<readonly ArchiveImage[]> {
  const [isLayout, isDocker] = await Promise.all(
    ['index.json', 'manifest.json'].map(async path => (await files.size(path)) !== undefined),
  )
  if (isLayout && !(compress && isDocker)) return layoutImages(files)
  if (isDocker) return dockerImages(files, { scratch, progress, signal, closing })
  throw new ClientError(
    `${files.name} is not an image: it has neither index.json (OCI layout) nor manifest.json (docker save)`,
  )
}

/**
 * The image with a name, or the only one.
 * @throws {ClientError} where there are several, or none of that name
 */
export function selectImage({ name, images }: ImageArchive, wanted: string | undefined): ArchiveImage {
  const matches = ({ names, id }: ArchiveImage) =>
    wanted === undefined || id === wanted || names.some(one => one === wanted || one === `${wanted}:latest`)
  const [found, ...others] = images.filter(matches)
  if (found && others.length === 0) return found
  const all = images.map(({ names, id }) => names[0] ?? id).join(', ')
  if (images.length === 0) throw new ClientError(`${name} has no images`)
  if (!found) throw new ClientError(`${name} has no image named "${wanted}"; it has ${all}`)
  throw new ClientError(`${name} has ${images.length} images: choose one with --image; they are ${all}`)
}
