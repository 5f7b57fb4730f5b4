import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe } from 'vitest'

/** Where `.ci/run` builds the clients that come as Go modules. */
const BUILT = fileURLToPath(new URL('../../.ci/tools/bin', import.meta.url))
/** Debian keeps daemons in folders that a user's PATH does not name. */
const PLACES = [BUILT, ...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']

/** The path of a program, or undefined where it is not installed. */
export function findTool(name: string): string | undefined {
  return PLACES.map(place => join(place, name)).find(executable)
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** What a group of tests needs that this machine may lack. */
export interface Requirements {
  readonly tools?: readonly string[]
  readonly root?: boolean
  readonly linux?: boolean
}

/** A `describe` that skips where something is missing, and says in its name what it is. */
export function describeWith(needs: Requirements, name: string, body: () => void): void {
  const missing = (needs.tools ?? []).filter(tool => findTool(tool) === undefined)
  if (needs.root && process.getuid?.() !== 0) missing.push('root')
  if (needs.linux && process.platform !== 'linux') missing.push('Linux')
  if (missing.length === 0) describe(name, body)
  else describe.skip(`${name} (skipped: needs ${missing.join(', ')})`, body)
}
