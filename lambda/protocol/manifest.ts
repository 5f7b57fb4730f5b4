import { type Descriptor, parseDescriptor, parseDescriptors } from './descriptor.ts'
import type { Digest } from './digest.ts'
import type { RegistryError } from './errors.ts'
import { invalidateNonIntegers } from './integer-fields.ts'
import { type Fields, invalid, isObject, rejectLookalikes, spellings, text, textMap } from './json-fields.ts'
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
  /** Foreign layers. They may be absent from the repository; those that are present are kept. */
  readonly foreign: readonly Digest[]
  /** Manifests that must be in the repository before this index. */
  readonly children: readonly Digest[]
  /**
   * The manifest that this one refers to. It need not exist yet (distribution spec, "Pushing Manifests with Subject").
   */
  readonly subject?: Digest
  /** As the referrers API reports it. For an image without `artifactType`, the media type of its config. */
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
}

/** Maximum size of a manifest in bytes: the size that the distribution spec asks registries to accept at least. */
export const MAX_MANIFEST_SIZE = 4 * 1024 * 1024

/** Maximum number of descriptors in one manifest. It is far above any image, and bounds the work of one request. */
export const MAX_DESCRIPTORS = 10_000

/**
 * For each shape of manifest the field that lists its content, and the fields that only other shapes have. A manifest
 * with such a field is rejected, because clients could interpret it as either shape (CVE-2021-41190).
 */
const SHAPES: Readonly<Record<ManifestShape, { list: string; forbidden: readonly string[] }>> = {
  image: { list: 'layers', forbidden: ['manifests', 'fsLayers', 'blobs'] },
  index: { list: 'manifests', forbidden: ['config', 'layers', 'fsLayers', 'blobs'] },
  artifact: { list: 'blobs', forbidden: ['config', 'layers', 'manifests', 'fsLayers'] },
}

/** Every top-level field that a registry reads, by its name in lower case. */
const KNOWN_FIELDS = spellings(
  ...['schemaVersion', 'mediaType', 'artifactType', 'config', 'layers', 'manifests', 'blobs', 'fsLayers'],
  ...['subject', 'annotations'],
)

const SCHEMA_1 = /^application\/vnd\.docker\.distribution\.manifest\.v1\+/
const SCHEMA_1_UNSUPPORTED =
  'Docker schema 1 manifests are not supported: push the image in Docker schema 2 or OCI format'

/** In characters. RFC 6838 allows 127 on either side of the slash. */
const MAX_MEDIA_TYPE_LENGTH = 255

/**
 * Parses a manifest. Unknown fields are ignored.
 * @param contentType the Content-Type of the request, without parameters. The `mediaType` of the document must be equal
 * to it
 * @throws {RegistryError} MANIFEST_INVALID
 */
export function parseManifest(bytes: Uint8Array, contentType?: string): Manifest {
  return parse(parseObject(invalidateNonIntegers(decode(bytes))), contentType, parseDescriptor)
}

/**
 * Parses a manifest that is stored, without the checks that older versions did not make: the collector must be able to
 * free everything that was ever stored.
 * @param mediaType the media type in its row
 */
export function parseStoredManifest(bytes: Uint8Array, mediaType: string): Manifest {
  return parse(parseObject(decode(bytes)), mediaType, (value, field) =>
    parseDescriptor(value, field, { onlyNames: true }),
  )
}

function parse(
  fields: Fields,
  contentType: string | undefined,
  descriptor: (value: unknown, field: string) => Descriptor,
): Manifest {
  rejectLookalikes(fields, KNOWN_FIELDS)
  const mediaType = decideMediaType(fields, contentType)
  const shape = shapeOf(mediaType)
  if (SCHEMA_1.test(mediaType) || (fields.schemaVersion === 1 && 'fsLayers' in fields))
    throw invalid(SCHEMA_1_UNSUPPORTED)
  if (!shape) throw invalid(`unsupported media type ${mediaType}`, { supported: manifestMediaTypes() })
  if (shape !== 'artifact' && fields.schemaVersion !== 2) throw invalid('schemaVersion must be 2')
  const { list, forbidden } = SHAPES[shape]
  for (const field of forbidden)
    if (fields[field] != null)
      throw invalid(`a manifest of type ${mediaType} must not have the field ${field}`)

  const config = fields.config == null ? undefined : descriptor(fields.config, 'config')
  if (shape === 'image' && !config) throw invalid('config is missing')
  const listed = parseDescriptors(fields[list], list, MAX_DESCRIPTORS, descriptor)
  const needed = config ? [config, ...listed] : listed
  if (needed.length > MAX_DESCRIPTORS)
    throw invalid(`a manifest can hold at most ${MAX_DESCRIPTORS} descriptors`)

  const subject = fields.subject == null ? undefined : descriptor(fields.subject, 'subject').digest
  const artifactType = text(fields, 'artifactType') || (shape === 'image' ? config?.mediaType : undefined)
  if (artifactType && artifactType.length > MAX_MEDIA_TYPE_LENGTH)
    throw invalid(`artifactType must have at most ${MAX_MEDIA_TYPE_LENGTH} characters`)
  const annotations = textMap(fields.annotations, 'annotations')
  return {
    mediaType,
    ...classify(needed, shape),
    ...(subject && { subject }),
    ...(artifactType && { artifactType }),
    ...(annotations && { annotations }),
  }
}

/**
 * Sorts descriptors by media type. An index may list blobs too: the cache export of BuildKit does, with the media types
 * of layers.
 */
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

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw notJson(cause)
  }
}

function parseObject(json: string): Fields {
  try {
    const value: unknown = JSON.parse(json)
    if (isObject(value)) return value
  } catch (cause) {
    throw notJson(cause)
  }
  throw invalid('the manifest must be a JSON object')
}

function notJson(cause: unknown): RegistryError {
  return invalid('the manifest must be JSON in UTF-8', {}, cause)
}

function decideMediaType(fields: Fields, contentType?: string): string {
  const own = text(fields, 'mediaType')
  if (own && contentType && own !== contentType)
    throw invalid('mediaType must be equal to the Content-Type', { mediaType: own, contentType })
  return own || contentType || (fields.manifests === undefined ? OCI_IMAGE : OCI_INDEX)
}
