import { existsSync, readdirSync, readlinkSync } from 'node:fs'

const DESCRIPTORS = '/proc/self/fd'

/** Whether this operating system lists the open files of a process in /proc. */
export const canListOpenFiles = existsSync(DESCRIPTORS)

/** The open files of this process below a folder, with one entry for each descriptor. */
export function openFiles(folder: string): string[] {
  return readdirSync(DESCRIPTORS)
    .map(descriptor => {
      try {
        return readlinkSync(`${DESCRIPTORS}/${descriptor}`)
      } catch {
        return '' // the descriptor of the directory listing itself
      }
    })
    .filter(path => path.startsWith(folder))
}
