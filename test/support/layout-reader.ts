import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { contents, type Image } from './images.ts'

/** The digests of an image's contents that an OCI layout folder does not contain, or contains with other bytes. */
export function missingFrom(folder: string, image: Image): string[] {
  return [...contents(image)]
    .filter(({ digest, bytes }) => !bytes.equals(blobIn(folder, digest)))
    .map(({ digest }) => digest)
}

function blobIn(folder: string, digest: string): Buffer {
  try {
    return readFileSync(join(folder, 'blobs', ...digest.split(':')))
  } catch {
    return Buffer.from('no such file')
  }
}
