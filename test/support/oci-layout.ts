import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { contents, descriptor, type Image } from './images.ts'
import { type TarFile, tarFile, writeTar } from './tar.ts'

/** Images by tag. */
type Tagged = Readonly<Record<string, Image>>

/** Writes images to an OCI layout folder (image-spec, image-layout.md), each with its tag. @returns the folder */
export function writeLayout(folder: string, images: Tagged): string {
  for (const { name, content } of layoutFiles(images)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), Buffer.concat([...content]))
  }
  return folder
}

/** Writes images to a tar archive of an OCI layout, which containerd imports. @returns the path */
export function writeLayoutArchive(path: string, images: Tagged): string {
  return writeTar(path, layoutFiles(images))
}

function* layoutFiles(images: Tagged): Generator<TarFile> {
  yield tarFile('oci-layout', JSON.stringify({ imageLayoutVersion: '1.0.0' }))
  const manifests = Object.entries(images).map(([tag, { manifest }]) => ({
    ...descriptor(manifest),
    annotations: { 'org.opencontainers.image.ref.name': tag },
  }))
  yield tarFile('index.json', JSON.stringify({ schemaVersion: 2, manifests }))
  for (const image of Object.values(images))
    for (const { digest, bytes } of contents(image)) yield tarFile(`blobs/${digest.replace(':', '/')}`, bytes)
}
