import { type Digest, parseDigest } from './digest.ts'
import { type Fields, invalid, isObject, rejectLookalikes, spellings, text, textMap } from './json-fields.ts'

/** The fields of a descriptor that a registry uses (image spec, "OCI Content Descriptors"). */
export interface Descriptor {
  /** Empty when the descriptor has none. */
  readonly mediaType: string
  readonly digest: Digest
}

const DESCRIPTOR_FIELDS = spellings(
  ...['mediaType', 'digest', 'size', 'urls', 'annotations', 'data', 'artifactType', 'platform'],
)
const PLATFORM_FIELDS = spellings(
  ...['architecture', 'os', 'os.version', 'os.features', 'variant', 'features'],
)

interface Strictness {
  /** Checks only the media type and the digest. */
  readonly onlyNames?: boolean
}

/**
 * Checks every field that Go clients decode into a typed field. A field of another type makes them reject the complete
 * manifest.
 * @param field the name of the descriptor in error messages
 * @throws {RegistryError} MANIFEST_INVALID
 */
export function parseDescriptor(
  value: unknown,
  field: string,
  { onlyNames = false }: Strictness = {},
): Descriptor {
  if (!isObject(value)) throw invalid(`${field} must be a descriptor`)
  if (!onlyNames) rejectLookalikes(value, DESCRIPTOR_FIELDS, `${field}.`)
  const mediaType = text(value, 'mediaType', `${field}.mediaType`) ?? ''
  const digest = text(value, 'digest', `${field}.digest`)
  if (!digest) throw invalid(`${field}.digest is missing`)
  if (!onlyNames) checkOtherFields(value, field)
  try {
    return { mediaType, digest: parseDigest(digest) }
  } catch (cause) {
    throw invalid(
      `${field}.digest must be sha256:<64 hex digits> or sha512:<128 hex digits>, in lower case`,
      { digest },
      cause,
    )
  }
}

/** @param limit maximum number of entries. A longer list is rejected before its entries are parsed */
export function parseDescriptors(
  value: unknown,
  field: string,
  limit: number,
  parse: (entry: unknown, field: string) => Descriptor,
): Descriptor[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw invalid(`${field} must be a list`)
  if (value.length > limit) throw invalid(`a manifest can hold at most ${limit} descriptors`)
  return value.map((entry, index) => parse(entry, `${field}[${index}]`))
}

function checkOtherFields(descriptor: Fields, field: string): void {
  checkSize(descriptor.size, `${field}.size`)
  for (const name of ['artifactType', 'data']) text(descriptor, name, `${field}.${name}`)
  checkBase64(descriptor.data, `${field}.data`)
  textMap(descriptor.annotations, `${field}.annotations`)
  checkTextList(descriptor.urls, `${field}.urls`)
  if (descriptor.platform != null) checkPlatform(descriptor.platform, `${field}.platform`)
}

/** Checks the fields of a platform, including those of Docker's manifest lists. */
function checkPlatform(platform: unknown, path: string): void {
  if (!isObject(platform)) throw invalid(`${path} must be an object`)
  rejectLookalikes(platform, PLATFORM_FIELDS, `${path}.`)
  for (const name of ['architecture', 'os', 'os.version', 'variant']) text(platform, name, `${path}.${name}`)
  for (const name of ['os.features', 'features']) checkTextList(platform[name], `${path}.${name}`)
}

function checkTextList(value: unknown, path: string): void {
  if (value != null && !(Array.isArray(value) && value.every(entry => typeof entry === 'string')))
    throw invalid(`${path} must be a list of strings`)
}

/** Go decodes `data` into bytes: the standard alphabet, padded. It skips line breaks. */
function checkBase64(data: unknown, path: string): void {
  if (typeof data !== 'string') return
  const digits = data.replace(/[\r\n]/g, '')
  if (digits.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(digits))
    throw invalid(`${path} must be padded base64`)
}

/** Go clients decode `size` into an int64. Some old tools omit it, which Go reads as 0. */
function checkSize(size: unknown, path: string): void {
  if (size === undefined || size === null) return
  if (typeof size === 'number' && Number.isSafeInteger(size) && size >= 0) return
  throw invalid(`${path} must be a whole number of bytes in decimal digits, such as 1024`)
}
