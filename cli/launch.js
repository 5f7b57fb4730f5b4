import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'

/** Node 24 strips types and has `node:sqlite` without a flag. */
const REQUIRED_MAJOR = 24

/**
 * Runs a program of this folder. In an older Node it runs the program again with the Node that `npm ci` installs as a
 * package. This file is plain JavaScript, which an older Node can load.
 * @param {string} entry URL of the script that Node was started with
 * @param {string} program module beside this one that exports `run(argv, io)`
 */
export async function launch(entry, program) {
  const bundled = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url))
  if (Number.parseInt(process.versions.node, 10) >= REQUIRED_MAJOR) {
    const [{ run }, { processIo }] = await Promise.all([import(program), import('./io.ts')])
    process.exitCode = await run(process.argv.slice(2), processIo())
  } else if (existsSync(bundled)) {
    process.exitCode = await rerun(bundled, [fileURLToPath(entry), ...process.argv.slice(2)])
  } else {
    console.error(explainOldNode(process.versions.node))
    process.exitCode = 1
  }
}

/** @param {string} found version of the Node that runs this */
export function explainOldNode(found) {
  const folder = fileURLToPath(new URL('..', import.meta.url))
  return [
    `longshore: Node.js ${REQUIRED_MAJOR} or newer is required, but this is Node.js ${found}. There are two ways to get it:`,
    `  - Run "npm ci" in ${folder}. It installs Node.js ${REQUIRED_MAJOR} as a package`,
    '    on Linux x64 and arm64 (glibc), macOS and Windows x64, and longshore finds it there.',
    `  - Install Node.js ${REQUIRED_MAJOR} (https://nodejs.org), on any platform.`,
  ].join('\n')
}

/** @returns {Promise<number>} the exit code of the program */
function rerun(node, args) {
  const child = spawn(node, args, { stdio: 'inherit' })
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  // A terminal sends Ctrl-C to the child too. This process only waits for the child to end.
  process.on('SIGINT', () => {})
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal]))
  })
}
