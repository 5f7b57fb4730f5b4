import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { contents, descriptor, type Image } from './images.ts'
import { type TarFile, tarFile, writeTar } from './tar.ts'

type Tagged = Readonly<Record<string, Image>>

/** Writes images as a folder in OCI layout (image-spec, image-layout.md), each under its tag. Gives the folder. */
export function writeLayout(folder: string, images: Tagged): string {
  for (const { name, content } of layoutFiles(images)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), Buffer.concat([...content]))
  }
  return folder
}

/** The same as an archive, which containerd imports. Gives its path. */
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
