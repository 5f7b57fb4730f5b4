import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import * as v from 'valibot'
import { type Digest, digestOf } from '../../protocol/digest.ts'
import { ClientError, reasonOf } from '../client-error.ts'
import type { BlobDescriptor, ManifestContent } from '../content.ts'
import { inParallel } from '../copy/parallel.ts'
import type { OpenBlob, Source } from '../ports.ts'
import { type Progress, SILENT } from '../progress.ts'
import { sha256 } from '../verify.ts'
import { compressionOf } from './compression.ts'
import { type FileSet, readFile, readJson } from './file-set.ts'
import type { ArchiveImage } from './image-archive.ts'
import { ScratchFile } from './scratch-file.ts'

const DOCKER_IMAGE = 'application/vnd.docker.distribution.manifest.v2+json'
const DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json'
const DOCKER_LAYER = 'application/vnd.docker.image.rootfs.diff.tar.gzip'
const OCI_ZSTD_LAYER = 'application/vnd.oci.image.layer.v1.tar+zstd'

const DockerManifest = v.array(
  v.looseObject({
    Config: v.string(),
    RepoTags: v.optional(v.nullable(v.array(v.string()))),
    Layers: v.optional(v.nullable(v.array(v.string()))),
  }),
)
type DockerEntry = v.InferOutput<typeof DockerManifest>[number]

const Config = v.looseObject({
  rootfs: v.looseObject({ diff_ids: v.optional(v.nullable(v.array(v.string()))) }),
})

interface DockerOptions {
  /** Folder for temporary files. */
  readonly scratch: string
  readonly progress?: Progress | undefined
  readonly signal?: AbortSignal | undefined
  /** Takes what removes the temporary files. */
  readonly closing: (() => Promise<void>)[]
}

const MAX_CONFIG = 8 * 1024 * 1024
/** The level that Docker uses. The same Node compresses to the same bytes, so a repeated push finds its layers. */
const GZIP = { level: 6, chunkSize: 128 * 1024 }

/** The images of an archive of `docker save`. Its layers are not compressed, so their digests in a registry are new. */
export async function dockerImages(files: FileSet, options: DockerOptions): Promise<readonly ArchiveImage[]> {
  const parsed = v.safeParse(DockerManifest, await readJson(files, 'manifest.json'))
  if (!parsed.success) throw new ClientError(`manifest.json of ${files.name} is not one of docker save`)
  return parsed.output.map(entry => ({
    names: entry.RepoTags ?? [],
    id: entry.Config,
    open: async () => {
      const source = await DockerSource.open(files, entry, options)
      return { source, reference: { kind: 'digest', digest: source.digest } }
    },
  }))
}

interface Layer {
  readonly descriptor: BlobDescriptor
  readonly open: OpenBlob
}

class DockerSource implements Source {
  readonly name: string
  readonly #manifest: ManifestContent
  readonly #blobs: ReadonlyMap<Digest, OpenBlob>

  static async open(files: FileSet, entry: DockerEntry, options: DockerOptions): Promise<DockerSource> {
    const config = await readFile(files, entry.Config, MAX_CONFIG)
    const paths = entry.Layers ?? []
    const diffIds = diffIdsOf(config, entry, files.name)
    if (diffIds.length !== paths.length)
      throw new ClientError(
        `${files.name} has ${paths.length} layers, but its config lists ${diffIds.length}`,
      )
    const layers = new Map<string, Layer>()
    const unique = [...new Map(paths.map((path, at) => [path, diffIds[at] ?? '']))]
    await inParallel(unique, 4, options.signal, async ([path, diffId], signal) => {
      layers.set(path, await prepare(files, path, diffId, { ...options, signal }))
    })
    return new DockerSource(
      files.name,
      config,
      paths.flatMap(path => layers.get(path) ?? []),
    )
  }

  private constructor(name: string, config: Buffer, layers: readonly Layer[]) {
    this.name = name
    const descriptor = { mediaType: DOCKER_CONFIG, size: config.length, digest: sha256(config) }
    const document = {
      schemaVersion: 2,
      mediaType: DOCKER_IMAGE,
      config: descriptor,
      layers: layers.map(({ descriptor }) => descriptor),
    }
    const bytes = Buffer.from(JSON.stringify(document))
    this.#manifest = { bytes, mediaType: DOCKER_IMAGE, digest: sha256(bytes) }
    const opens: [Digest, OpenBlob][] = layers.map(({ descriptor, open }) => [descriptor.digest, open])
    this.#blobs = new Map([...opens, [descriptor.digest, range => slice(config, range)]])
  }

  get digest(): Digest {
    return this.#manifest.digest
  }

  async manifest(): Promise<ManifestContent> {
    return this.#manifest
  }

  blob({ digest }: BlobDescriptor, range?: Parameters<OpenBlob>[0]): ReturnType<OpenBlob> {
    const open = this.#blobs.get(digest)
    if (open) return open(range)
    throw new ClientError(`${this.name} has no blob ${digest}`)
  }

  async referrers(): Promise<readonly Digest[]> {
    return []
  }

  async tags(): Promise<readonly never[]> {
    return []
  }
}

async function* slice(bytes: Buffer, range?: Parameters<OpenBlob>[0]): ReturnType<OpenBlob> {
  yield range ? bytes.subarray(range.first, range.last + 1) : bytes
}

function diffIdsOf(config: Buffer, { Config: path }: DockerEntry, name: string): readonly string[] {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), Config), config.toString())
  if (!parsed.success) throw new ClientError(`${path} of ${name} is not the config of an image`)
  return parsed.output.rootfs.diff_ids ?? []
}

/** Compresses a layer into a temporary file, unless it is compressed. @throws {ClientError} where it is not the layer of the config */
async function prepare(
  files: FileSet,
  path: string,
  diffId: string,
  { scratch, progress = SILENT, signal, closing }: DockerOptions,
): Promise<Layer> {
  const size = await files.size(path)
  if (size === undefined)
    throw new ClientError(`${files.name} has no ${path}, which its manifest.json lists as a layer`)
  const head: Uint8Array[] = []
  if (size > 0)
    for await (const piece of files.open(path, { first: 0, last: Math.min(5, size - 1) })) head.push(piece)
  const compression = compressionOf(Buffer.concat(head))
  if (compression === 'gzip' || compression === 'zstd') {
    const hash = createHash('sha256')
    for await (const piece of files.open(path)) hash.update(piece)
    const digest = digestOf('sha256', hash.digest('hex'))
    const mediaType = compression === 'gzip' ? DOCKER_LAYER : OCI_ZSTD_LAYER
    return { descriptor: { mediaType, size, digest }, open: range => files.open(path, range) }
  }
  const file = await ScratchFile.open(scratch)
  closing.push(() => file.close())
  const content = createHash('sha256')
  const hash = createHash('sha256')
  let read = 0
  async function* counted() {
    for await (const piece of files.open(path)) {
      signal?.throwIfAborted()
      content.update(piece)
      read += piece.length
      progress.prepared(`compressing ${path}`, read, size)
      yield piece
    }
  }
  const source = Readable.from(counted(), { objectMode: false })
  const gzip = createGzip(GZIP)
  source.on('error', error => gzip.destroy(error))
  try {
    for await (const piece of source.pipe(gzip)) {
      hash.update(piece)
      await file.append(piece)
    }
  } catch (error) {
    signal?.throwIfAborted()
    throw error instanceof ClientError
      ? error
      : new ClientError(`cannot compress ${path}: ${reasonOf(error)}`)
  }
  if (`sha256:${content.digest('hex')}` !== diffId)
    throw new ClientError(`layer ${path} of ${files.name} has other bytes than its digest ${diffId} says`)
  const descriptor = {
    mediaType: DOCKER_LAYER,
    size: file.size,
    digest: digestOf('sha256', hash.digest('hex')),
  }
  return { descriptor, open: range => file.read(range) }
}
