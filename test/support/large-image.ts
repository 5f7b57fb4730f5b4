import { CONFIG, content, descriptor, IMAGE } from './images.ts'
import { digestOf, randomBatches } from './random-bytes.ts'
import { type TarFile, tarBatches, tarFile, writeTar } from './tar.ts'

/** An image with one layer, which is generated while it is written and may be larger than memory. */
interface LargeImage {
  readonly digest: string
  readonly layer: { readonly digest: string; readonly size: number }
}

/**
 * Writes an image as an archive in OCI layout. The same seed gives the same image.
 * @param size of the only file in the layer, in bytes
 */
export function writeLargeImage(path: string, tag: string, seed: string, size: number): LargeImage {
  const archive = () => tarBatches([{ name: 'file.bin', size, content: randomBatches(seed, size) }])
  const layer = {
    mediaType: 'application/vnd.oci.image.layer.v1.tar',
    digest: digestOf(archive()),
    size: [...sizes(archive())].reduce((sum, length) => sum + length, 0),
  }
  const config = content(CONFIG, {
    architecture: 'amd64',
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: [layer.digest] },
  })
  const manifest = content(IMAGE, {
    schemaVersion: 2,
    mediaType: IMAGE,
    config: descriptor(config),
    layers: [layer],
  })
  const blob = (digest: string) => `blobs/${digest.replace(':', '/')}`
  const named = { ...descriptor(manifest), annotations: { 'org.opencontainers.image.ref.name': tag } }
  const files: TarFile[] = [
    tarFile('oci-layout', JSON.stringify({ imageLayoutVersion: '1.0.0' })),
    tarFile('index.json', JSON.stringify({ schemaVersion: 2, manifests: [named] })),
    tarFile(blob(config.digest), config.bytes),
    tarFile(blob(manifest.digest), manifest.bytes),
    { name: blob(layer.digest), size: layer.size, content: archive() },
  ]
  writeTar(path, files)
  return { digest: manifest.digest, layer }
}

function* sizes(batches: Iterable<Uint8Array>): Generator<number> {
  for (const { length } of batches) yield length
}
