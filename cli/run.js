import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const NEEDED = 24

/**
 * Runs a program of this folder. Plain JavaScript that old versions can read too: with an old Node the one that the project brought
 * along does the work.
 */
export async function run(name) {
  const program = fileURLToPath(new URL(name, import.meta.url))
  const brought = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url))
  if (Number.parseInt(process.versions.node, 10) >= NEEDED) {
    await import(program)
  } else if (existsSync(brought)) {
    const args = [program, ...process.argv.slice(2)]
    process.exitCode = spawnSync(brought, args, { stdio: 'inherit' }).status ?? 1
  } else {
    console.error(`longshore: Node.js ${NEEDED} or newer is needed, this is ${process.versions.node}`)
    process.exitCode = 1
  }
}
