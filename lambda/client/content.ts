import type { Digest } from '../protocol/digest.ts'
import { parseDigest } from '../protocol/digest.ts'
import { type Fields, isObject } from '../protocol/json-fields.ts'
import { parseManifest } from '../protocol/manifest.ts'
import { isForeignLayer, OCI_IMAGE, OCI_INDEX, shapeOf } from '../protocol/media-types.ts'
import { ClientError } from './client-error.ts'

/** A blob as a manifest lists it. */
export interface BlobDescriptor {
  readonly mediaType: string
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
}

export interface Platform {
  readonly os: string
  readonly architecture: string
  readonly variant?: string | undefined
}

/** A manifest as an index lists it. */
export interface ChildDescriptor extends BlobDescriptor {
  readonly platform?: Platform
}

/** The bytes of a manifest, as they were pushed. */
export interface ManifestContent {
  readonly mediaType: string
  readonly digest: Digest
  readonly bytes: Uint8Array
}

/** What a manifest lists. */
export interface ParsedManifest {
  readonly mediaType: string
  readonly isIndex: boolean
  /** Absent in an index and an artifact manifest. */
  readonly config?: BlobDescriptor
  readonly layers: readonly BlobDescriptor[]
  /** Config and layers, each once, without those that clients download from elsewhere. */
  readonly blobs: readonly BlobDescriptor[]
  readonly children: readonly ChildDescriptor[]
  readonly subject?: Digest
}

/** @param name of the manifest in messages. @throws {ClientError} where it is malformed */
export function parseContent({ bytes, mediaType }: ManifestContent, name: string): ParsedManifest {
  try {
    const { children, subject, foreign } = parseManifest(bytes, mediaType)
    const fields: Fields = JSON.parse(Buffer.from(bytes).toString())
    const isIndex = shapeOf(mediaType) === 'index'
    const listed = [fields.layers, fields.manifests, fields.blobs].flatMap(list =>
      Array.isArray(list) ? list : [],
    )
    const isChild = ({ digest }: BlobDescriptor) => isIndex && children.includes(digest)
    const all = listed.map(descriptor => toDescriptor(descriptor))
    const layers = all.filter(one => !isChild(one))
    const config = isObject(fields.config) ? toDescriptor(fields.config) : undefined
    const needed = [...(config ? [config] : []), ...layers]
    const byDigest = new Map(needed.map(blob => [blob.digest, blob]))
    return {
      mediaType,
      isIndex,
      ...(config && { config }),
      layers,
      blobs: [...byDigest.values()].filter(
        ({ digest, mediaType }) => !foreign.includes(digest) && !isForeignLayer(mediaType),
      ),
      children: all.filter(isChild),
      ...(subject && { subject }),
    }
  } catch (error) {
    throw new ClientError(`${name} has a malformed manifest: ${(error as Error).message}`)
  }
}

/** The media type of a manifest by its own field, or else by its shape. */
export function mediaTypeIn(bytes: Uint8Array): string {
  try {
    const document: unknown = JSON.parse(Buffer.from(bytes).toString())
    if (isObject(document) && typeof document.mediaType === 'string') return document.mediaType
    return isObject(document) && Array.isArray(document.manifests) ? OCI_INDEX : OCI_IMAGE
  } catch {
    return OCI_IMAGE
  }
}

function toDescriptor(value: Fields): ChildDescriptor {
  const { mediaType, digest, size, platform } = value
  return {
    mediaType: typeof mediaType === 'string' ? mediaType : OCI_INDEX,
    digest: parseDigest(String(digest)),
    size: typeof size === 'number' ? size : 0,
    ...(isObject(platform) && { platform: toPlatform(platform) }),
  }
}

function toPlatform({ os, architecture, variant }: Fields): Platform {
  return {
    os: String(os ?? ''),
    architecture: String(architecture ?? ''),
    ...(typeof variant === 'string' && variant !== '' && { variant }),
  }
}

/** @throws {ClientError} for anything but `<os>/<architecture>` or `<os>/<architecture>/<variant>` */
export function parsePlatform(text: string): Platform {
  const [, os = '', architecture = '', variant] = /^([\w.-]+)\/([\w.-]+)(?:\/([\w.-]+))?$/.exec(text) ?? []
  if (!os) throw new ClientError(`"${text}" must be a platform such as linux/arm64 or linux/arm/v7`)
  return { os, architecture, ...(variant && { variant }) }
}

export function formatPlatform({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant ? [variant] : [])].join('/')
}

/** A wanted platform without a variant matches every variant. `linux/arm64` and `linux/arm64/v8` are the same. */
export function matchesPlatform(wanted: Platform, { os, architecture, variant }: Platform): boolean {
  if (wanted.os !== os || wanted.architecture !== architecture) return false
  const implied = architecture === 'arm64' ? 'v8' : undefined
  return wanted.variant === undefined || wanted.variant === (variant ?? implied)
}
