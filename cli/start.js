#!/usr/bin/env node
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

// Plain JavaScript that old versions can read too. With an old Node the one that the project brought along does the work.
const NEEDED = 24
const main = fileURLToPath(new URL('./main.ts', import.meta.url))
const brought = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url))

if (Number.parseInt(process.versions.node, 10) >= NEEDED) {
  await import('./main.ts')
} else if (existsSync(brought)) {
  process.exitCode = spawnSync(brought, [main, ...process.argv.slice(2)], { stdio: 'inherit' }).status ?? 1
} else {
  console.error(`longshore: Node.js ${NEEDED} or newer is needed, this is ${process.versions.node}`)
  process.exitCode = 1
}
