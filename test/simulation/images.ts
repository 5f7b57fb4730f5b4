import { createHash } from 'node:crypto'
import { type Digest, digestOf } from '../../lambda/protocol/digest.ts'
import { OCI_IMAGE, OCI_INDEX } from '../../lambda/protocol/media-types.ts'

/** A manifest to push, and the content that must be pushed before it. */
export interface Image {
  readonly bytes: Buffer
  readonly digest: Digest
  readonly blobs: readonly string[]
  readonly children: readonly Image[]
}

export function digestOfText(text: string | Buffer): Digest {
  return digestOf('sha256', createHash('sha256').update(text).digest('hex'))
}

function descriptor(mediaType: string, bytes: string | Buffer) {
  return { mediaType, digest: digestOfText(bytes), size: bytes.length }
}

function image(config: string, layers: string[], more: object = {}): Image {
  const document = {
    schemaVersion: 2,
    mediaType: OCI_IMAGE,
    config: descriptor('application/vnd.oci.image.config.v1+json', config),
    layers: layers.map(layer => descriptor('application/vnd.oci.image.layer.v1.tar', layer)),
    ...more,
  }
  const bytes = Buffer.from(JSON.stringify(document))
  return { bytes, digest: digestOfText(bytes), blobs: [config, ...layers], children: [] }
}

function index(...children: Image[]): Image {
  const manifests = children.map(child => descriptor(OCI_IMAGE, child.bytes))
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }))
  return { bytes, digest: digestOfText(bytes), blobs: [], children }
}

const small = image('a', ['b'])
const sharing = image('a', ['b', 'c'])
const referring = image('{}', ['d'], { subject: descriptor(OCI_IMAGE, small.bytes) })
const both = index(small, sharing)
/** Needs more writes than one transaction allows. */
const large = image(
  'a',
  Array.from({ length: 47 }, (_, i) => `layer ${i}`),
)
/** Too large for its row. */
const wordy = image('a', ['d'], { annotations: { note: 'x'.repeat(400_000) } })

export const IMAGES = { small, sharing, referring, both, large, wordy } satisfies Record<string, Image>

export type ImageName = keyof typeof IMAGES
