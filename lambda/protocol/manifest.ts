import { type Descriptor, parseDescriptor, parseDescriptors } from './descriptor.ts'
import type { Digest } from './digest.ts'
import { type Fields, invalid, isObject, text, textMap } from './json-fields.ts'
import {
  isForeignLayer,
  type ManifestShape,
  manifestMediaTypes,
  OCI_IMAGE,
  OCI_INDEX,
  shapeOf,
} from './media-types.ts'

/** The content of a manifest that a registry uses. The registry stores and serves the original bytes. */
export interface Manifest {
  readonly mediaType: string
  /** Blobs that must be in the repository before the manifest: config and layers, each once. */
  readonly blobs: readonly Digest[]
  /** Foreign layers: they may be in the repository, and are kept while they are. */
  readonly foreign: readonly Digest[]
  /** Manifests that must be in the repository before this index. */
  readonly children: readonly Digest[]
  /** The manifest that this one refers to. It need not exist yet (distribution spec, "Pushing Manifests with Subject"). */
  readonly subject?: Digest
  /** As the referrers API reports it: for an image without one, the media type of its config. */
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
}

/** Maximum size of a manifest in bytes: the size that the distribution spec asks registries to accept at least. */
export const MANIFEST_LIMIT = 4 * 1024 * 1024

/** Maximum number of descriptors in one manifest. It is far above any image, and bounds the work of one request. */
export const DESCRIPTOR_LIMIT = 10_000

/** The field that lists the content of a shape, and the fields that would make it a document of another shape too (CVE-2021-41190). */
const SHAPES: Readonly<Record<ManifestShape, { list: string; alien: readonly string[] }>> = {
  image: { list: 'layers', alien: ['manifests', 'fsLayers', 'blobs'] },
  index: { list: 'manifests', alien: ['config', 'layers', 'fsLayers', 'blobs'] },
  artifact: { list: 'blobs', alien: ['config', 'layers', 'manifests', 'fsLayers'] },
}

/** Every field that a registry reads, by its name in lower case. */
const KNOWN = new Map(
  [
    ...['schemaVersion', 'mediaType', 'artifactType', 'config', 'layers', 'manifests', 'blobs', 'fsLayers'],
    ...['subject', 'annotations'],
  ].map(field => [field.toLowerCase(), field]),
)

const SCHEMA_1 = /^application\/vnd\.docker\.distribution\.manifest\.v1\+/
const NO_SCHEMA_1 =
  'Docker schema 1 manifests are not supported: push the image in Docker schema 2 or OCI format'

/** RFC 6838 allows 127 characters on either side of the slash. */
const MEDIA_TYPE_LIMIT = 255

/**
 * Parses a manifest. Unknown fields are ignored.
 * @param contentType the media type the client gave, without parameters; the document's own `mediaType` must agree
 * @throws {RegistryError} MANIFEST_INVALID with the rule that was broken
 */
export function parseManifest(bytes: Uint8Array, contentType?: string): Manifest {
  return parse(bytes, contentType, parseDescriptor)
}

/**
 * Parses a manifest that was accepted before, perhaps by an older version with fewer checks. The collector must be able to free
 * everything that was ever stored.
 * @param mediaType of its row
 */
export function parseStoredManifest(bytes: Uint8Array, mediaType: string): Manifest {
  return parse(bytes, mediaType, (value, field) => parseDescriptor(value, field, { onlyNames: true }))
}

function parse(
  bytes: Uint8Array,
  contentType: string | undefined,
  descriptor: (value: unknown, field: string) => Descriptor,
): Manifest {
  const fields = parseObject(bytes)
  rejectLookalikes(fields)
  const mediaType = decideMediaType(fields, contentType)
  const shape = shapeOf(mediaType)
  if (SCHEMA_1.test(mediaType) || (fields.schemaVersion === 1 && 'fsLayers' in fields))
    throw invalid(NO_SCHEMA_1)
  if (!shape) throw invalid(`unsupported media type ${mediaType}`, { supported: manifestMediaTypes() })
  if (shape !== 'artifact' && fields.schemaVersion !== 2) throw invalid('schemaVersion must be 2')
  const { list, alien } = SHAPES[shape]
  for (const field of alien) if (fields[field] != null) throw invalid(`a ${mediaType} cannot hold ${field}`)

  const config = fields.config == null ? undefined : descriptor(fields.config, 'config')
  if (shape === 'image' && !config) throw invalid('config is missing')
  const listed = parseDescriptors(fields[list], list, DESCRIPTOR_LIMIT, descriptor)
  const needed = config ? [config, ...listed] : listed
  if (needed.length > DESCRIPTOR_LIMIT) throw invalid(`more than ${DESCRIPTOR_LIMIT} descriptors`)

  const subject = fields.subject == null ? undefined : descriptor(fields.subject, 'subject').digest
  const artifactType = text(fields, 'artifactType') || (shape === 'image' ? config?.mediaType : undefined)
  if (artifactType && artifactType.length > MEDIA_TYPE_LIMIT)
    throw invalid(`artifactType is longer than ${MEDIA_TYPE_LIMIT} characters`)
  const annotations = textMap(fields.annotations, 'annotations')
  return {
    mediaType,
    ...classify(needed, shape),
    ...(subject && { subject }),
    ...(artifactType && { artifactType }),
    ...(annotations && { annotations }),
  }
}

/** An index may list blobs beside manifests: BuildKit's cache export does, with the media types of layers. */
function classify(needed: readonly Descriptor[], shape: ManifestShape) {
  const blobs = new Set<Digest>()
  const foreign = new Set<Digest>()
  const children = new Set<Digest>()
  for (const { mediaType, digest } of needed)
    if (shape === 'index' && (!mediaType || shapeOf(mediaType))) children.add(digest)
    else if (isForeignLayer(mediaType)) foreign.add(digest)
    else blobs.add(digest)
  return {
    blobs: [...blobs],
    foreign: [...foreign].filter(digest => !blobs.has(digest)),
    children: [...children],
  }
}

function parseObject(bytes: Uint8Array): Fields {
  try {
    const value: unknown = JSON.parse(
      new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes),
    )
    if (isObject(value)) return value
  } catch (cause) {
    throw invalid('not JSON in UTF-8', {}, cause)
  }
  throw invalid('not a JSON object')
}

/** Go's decoder, and so most clients, reads `Layers` as `layers`: clients would disagree about such a document (CVE-2021-41190). */
function rejectLookalikes(fields: Fields): void {
  for (const field of Object.keys(fields)) {
    const known = KNOWN.get(field.toLowerCase())
    if (known !== undefined && known !== field) throw invalid(`${field} looks like ${known}`)
  }
}

function decideMediaType(fields: Fields, contentType?: string): string {
  const own = text(fields, 'mediaType')
  if (own && contentType && own !== contentType)
    throw invalid('mediaType differs from Content-Type', { mediaType: own, contentType })
  return own || contentType || (fields.manifests === undefined ? OCI_IMAGE : OCI_INDEX)
}
