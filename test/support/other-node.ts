import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './command.ts'

/** A folder that git ignores and `.ci/run` keeps between runs. */
const FOLDER = join(import.meta.dirname, '../../.ci/tools/nodes')

/**
 * Installs a version of Node for Linux from the npm package that also provides the project's Node.
 * @returns the folder of its `node` program, for the variable PATH
 */
export async function installNode(version: string): Promise<string> {
  const folder = join(FOLDER, version)
  const bin = join(folder, `node_modules/node-linux-${process.arch}/bin`)
  if (!existsSync(join(bin, 'node'))) {
    const quiet = ['--no-save', '--no-audit', '--no-fund', '--loglevel=error']
    await run('npm', ['install', '--prefix', folder, ...quiet, `node-linux-${process.arch}@${version}`])
  }
  return bin
}
