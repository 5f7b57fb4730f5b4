import { existsSync, readdirSync, readlinkSync } from 'node:fs'

const DESCRIPTORS = '/proc/self/fd'

/** Whether this system tells which files a process has open. */
export const tellsOpenFiles = existsSync(DESCRIPTORS)

/** The files below a folder that this process has open, one entry for each descriptor. */
export function openFiles(folder: string): string[] {
  return readdirSync(DESCRIPTORS)
    .map(descriptor => {
      try {
        return readlinkSync(`${DESCRIPTORS}/${descriptor}`)
      } catch {
        return '' // the descriptor of this very listing
      }
    })
    .filter(path => path.startsWith(folder))
}
