import { gzipSync } from 'node:zlib'
import { digestOf, randomBytesOf } from './random-bytes.ts'
import { tar, tarFile } from './tar.ts'

export const IMAGE = 'application/vnd.oci.image.manifest.v1+json'
const INDEX = 'application/vnd.oci.image.index.v1+json'
export const CONFIG = 'application/vnd.oci.image.config.v1+json'
export const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip'
export const EMPTY = 'application/vnd.oci.empty.v1+json'

/** The bytes of a blob or manifest, with the fields of its descriptor. */
export interface Content {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
  readonly bytes: Buffer<ArrayBuffer>
}

/** A manifest with its blobs and child images, which must be pushed before it. */
export interface Image {
  readonly manifest: Content
  readonly blobs: readonly Content[]
  readonly children: readonly Image[]
}

/** Content from bytes, or from a value that is serialized as JSON. */
export function content(mediaType: string, value: unknown): Content {
  const bytes = Buffer.isBuffer(value) ? (value as Buffer<ArrayBuffer>) : Buffer.from(JSON.stringify(value))
  return { mediaType, digest: digestOf(bytes), size: bytes.length, bytes }
}

export function descriptor({ mediaType, digest, size }: Content) {
  return { mediaType, digest, size }
}

interface ImageOptions {
  readonly architecture?: string
  readonly layers?: number
  /** Size of the file in each layer, in random bytes. */
  readonly layerSize?: number
}

/** An image that real clients can unpack. The same seed gives the same image. */
export function image(
  seed: string,
  { architecture = 'amd64', layers = 2, layerSize = 1_000 }: ImageOptions = {},
): Image {
  const archives = Array.from({ length: layers }, (_, at) =>
    tar(tarFile(`${seed}-${at}.bin`, randomBytesOf(`${seed}-${at}`, layerSize))),
  )
  const config = content(CONFIG, {
    architecture,
    os: 'linux',
    config: { Labels: { seed } },
    rootfs: { type: 'layers', diff_ids: archives.map(archive => digestOf(archive)) },
    history: archives.map(() => ({ created: '2026-01-01T00:00:00Z', created_by: seed })),
  })
  const blobs = archives.map(archive => content(LAYER, gzipSync(archive, { level: 1 })))
  const manifest = content(IMAGE, {
    schemaVersion: 2,
    mediaType: IMAGE,
    config: descriptor(config),
    layers: blobs.map(descriptor),
  })
  return { manifest, blobs: [config, ...blobs], children: [] }
}

/** An index with one image per architecture. */
export function multiArchitecture(seed: string, architectures = ['amd64', 'arm64']): Image {
  const children = architectures.map(architecture => image(`${seed}-${architecture}`, { architecture }))
  const manifest = content(INDEX, {
    schemaVersion: 2,
    mediaType: INDEX,
    manifests: children.map((child, at) => ({
      ...descriptor(child.manifest),
      platform: { os: 'linux', architecture: architectures[at] },
    })),
  })
  return { manifest, blobs: [], children }
}

/** An artifact with one layer and an empty config. @param subject the manifest that the artifact refers to */
export function artifact(artifactType: string, bytes: string, subject?: Content): Image {
  const config = content(EMPTY, {})
  const layer = content(artifactType, Buffer.from(bytes))
  const manifest = content(IMAGE, {
    schemaVersion: 2,
    mediaType: IMAGE,
    artifactType,
    config: descriptor(config),
    layers: [descriptor(layer)],
    ...(subject && { subject: descriptor(subject) }),
  })
  return { manifest, blobs: [config, layer], children: [] }
}

/** All blobs and manifests of an image, in the order in which they must be pushed. The image's own manifest is last. */
export function* contents({ manifest, blobs, children }: Image): Generator<Content> {
  for (const child of children) yield* contents(child)
  yield* blobs
  yield manifest
}
