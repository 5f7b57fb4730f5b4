import { createHash } from 'node:crypto'
import { type Algorithm, type Digest, digestOf } from '../../lambda/protocol/digest.ts'
import { OCI_IMAGE, OCI_INDEX } from '../../lambda/protocol/media-types.ts'

export const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip'
export const CONFIG = 'application/vnd.oci.image.config.v1+json'
export const DOCKER_IMAGE = 'application/vnd.docker.distribution.manifest.v2+json'
export const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json'

export type Fields = Readonly<Record<string, unknown>>

export interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
}

export function digest(content: string | Uint8Array, algorithm: Algorithm = 'sha256'): Digest {
  return digestOf(algorithm, createHash(algorithm).update(content).digest('hex'))
}

/** The descriptor of content. */
export function descriptorOf(
  content: string | Uint8Array,
  mediaType = LAYER,
  algorithm: Algorithm = 'sha256',
): Descriptor {
  return { mediaType, digest: digest(content, algorithm), size: Buffer.byteLength(content) }
}

/** An image manifest with the config `{}` and layers of this content. @param more fields to add or replace */
export function imageOf(layers: readonly (string | Uint8Array)[] = [], more: Fields = {}): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: OCI_IMAGE,
    config: descriptorOf('{}', CONFIG),
    layers: layers.map(layer => descriptorOf(layer)),
    ...more,
  })
}

/** An index that lists these manifests: documents or descriptors. @param more fields to add or replace */
export function indexOf(manifests: readonly (string | Descriptor)[] = [], more: Fields = {}): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: manifests.map(one => (typeof one === 'string' ? descriptorOf(one, typeOf(one)) : one)),
    ...more,
  })
}

/** The `mediaType` field of a manifest; that of an OCI image if it has none. */
export function typeOf(document: string | Uint8Array): string {
  const { mediaType } = JSON.parse(document.toString()) as { mediaType?: string }
  return mediaType ?? OCI_IMAGE
}
