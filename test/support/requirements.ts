import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe } from 'vitest'

/** `.ci/run` builds clients that are Go modules in this folder. */
const TOOLS = fileURLToPath(new URL('../../.ci/tools/bin', import.meta.url))
/** Debian installs daemons in the last two folders, which are not in the PATH of a user. */
const FOLDERS = [TOOLS, ...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']

/** The path of a program. `undefined` when the program is not installed. */
export function findTool(name: string): string | undefined {
  return FOLDERS.map(folder => join(folder, name)).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** Requirements of a group of tests that a machine may not meet. */
export interface Requirements {
  readonly tools?: readonly string[]
  readonly root?: boolean
  readonly linux?: boolean
}

/** The requirements that this machine does not meet. */
export function missingFor({ tools = [], root, linux }: Requirements): string[] {
  const missing = tools.filter(tool => findTool(tool) === undefined)
  if (root && process.getuid?.() !== 0) missing.push('root')
  if (linux && process.platform !== 'linux') missing.push('Linux')
  return missing
}

/** A `describe` that is skipped when a requirement is not met. The name of the skipped group lists what is missing. */
export function describeWith(needs: Requirements, name: string, body: () => void): void {
  const missing = missingFor(needs)
  if (missing.length === 0) describe(name, body)
  else describe.skip(`${name} (skipped: needs ${missing.join(', ')})`, body)
}
