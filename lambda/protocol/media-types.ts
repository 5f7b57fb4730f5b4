/** How a manifest of a media type references other content. */
export type ManifestShape = 'image' | 'index' | 'artifact'

export const OCI_IMAGE = 'application/vnd.oci.image.manifest.v1+json'
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json'

/**
 * The media types of manifests. The artifact manifest was removed from the image spec before 1.1, after clients had
 * pushed some.
 */
const MANIFESTS: Readonly<Record<string, ManifestShape>> = {
  [OCI_IMAGE]: 'image',
  [OCI_INDEX]: 'index',
  'application/vnd.docker.distribution.manifest.v2+json': 'image',
  'application/vnd.docker.distribution.manifest.list.v2+json': 'index',
  'application/vnd.oci.artifact.manifest.v1+json': 'artifact',
}

/** Layers whose licence forbids distribution. Clients download them from their `urls`, so a push may omit them. */
const FOREIGN_LAYERS: ReadonlySet<string> = new Set([
  'application/vnd.docker.image.rootfs.foreign.diff.tar',
  'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
  'application/vnd.oci.image.layer.nondistributable.v1.tar',
  'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd',
])

/** @returns undefined if the media type is not that of a manifest */
export function shapeOf(mediaType: string): ManifestShape | undefined {
  return Object.hasOwn(MANIFESTS, mediaType) ? MANIFESTS[mediaType] : undefined
}

export function isForeignLayer(mediaType: string): boolean {
  return FOREIGN_LAYERS.has(mediaType)
}

export function manifestMediaTypes(): string[] {
  return Object.keys(MANIFESTS)
}

/** A Content-Type without its parameters, in lower case: `Application/JSON; charset=utf-8` is `application/json`. */
export function essence(contentType: string): string {
  return contentType.split(';', 1)[0]?.trim().toLowerCase() ?? ''
}
