import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { afterAll, expect, it } from 'vitest'
import { openArchive, selectImage } from '../../../lambda/client/archive/image-archive.ts'
import { ClientError } from '../../../lambda/client/client-error.ts'
import { planCopy } from '../../../lambda/client/copy/plan.ts'
import { verified } from '../../../lambda/client/verify.ts'
import { bytesOf } from '../../support/bytes.ts'
import { writeDockerArchive } from '../../support/docker-archive.ts'
import { multiArchitecture } from '../../support/images.ts'
import { writeLayoutArchive } from '../../support/oci-layout.ts'
import { runs } from '../../support/property-runs.ts'
import { tar, tarFile } from '../../support/tar.ts'
import { TempDir } from '../../support/temp-dir.ts'

const dir = new TempDir()
afterAll(() => dir.remove())

writeLayoutArchive(dir.join('layout.tar'), { v1: multiArchitecture('damage') })
writeDockerArchive(dir.join('docker.tar'), 'app:1', [tar(tarFile('a', 'content'))])
const archives = {
  layout: readFileSync(dir.join('layout.tar')),
  docker: readFileSync(dir.join('docker.tar')),
}

/** Reads everything of the one image of an archive. @returns the digests of its manifests */
async function readWhole(bytes: Uint8Array): Promise<string[]> {
  const archive = await openArchive({ from: bytesOf(bytes), name: 'it', scratch: dir.folder('scratch') })
  try {
    const { source, reference } = await selectImage(archive, undefined).open()
    const { manifests } = await planCopy(source, reference, { referrers: true })
    for (const blob of manifests.flatMap(({ blobs }) => blobs))
      for await (const _ of verified(source.blob(blob), blob, source.name));
    return manifests.map(({ digest }) => digest)
  } finally {
    await archive.close()
  }
}

const damaged = (bytes: Buffer) =>
  fc.oneof(
    fc.nat(bytes.length - 1).map(length => bytes.subarray(0, length)),
    fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }).map(changes => {
      const copy = Buffer.from(bytes)
      for (const [at, byte] of changes) copy[at] = byte
      return copy
    }),
  )

it.each(Object.entries(archives))(
  'a damaged archive (%s) is refused, or is read as it was',
  async (_, bytes) => {
    const whole = await readWhole(bytes)
    await fc.assert(
      fc.asyncProperty(damaged(bytes), async changed => {
        const read = await readWhole(changed).catch(error => {
          expect(error).toBeInstanceOf(ClientError)
          expect(error.message).not.toContain('\n')
          return undefined
        })
        // The config of docker save has no digest that could differ.
        if (read && bytes === archives.layout) expect(read).toEqual(whole)
      }),
      { numRuns: runs(60) },
    )
  },
)
