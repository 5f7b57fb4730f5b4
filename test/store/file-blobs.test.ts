import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { FileBlobs } from '../../lambda/store/file-blobs.ts'
import { blobsContract } from '../contracts/blobs.ts'

const folders: string[] = []
afterAll(() => Promise.all(folders.map(folder => rm(folder, { recursive: true, force: true }))))
const freshFolder = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'longshore-blobs-'))
  folders.push(folder)
  return folder
}

blobsContract(async () => {
  const root = await freshFolder()
  return { store: await FileBlobs.open(root), reopen: () => FileBlobs.open(root) }
})
