import { setFlagsFromString } from 'node:v8'

// Plain JavaScript that old versions can read too: it is the first file that an unsupported Node runs.
// 24 is what Lambda runs and what the tests run on. It strips types and has `node:sqlite`, both without a flag.
const NEEDED = 24
const found = process.versions.node

if (Number.parseInt(found, 10) < NEEDED) {
  console.error(
    `longshore: Node.js ${NEEDED} or newer is needed, and this is ${found}. Either install it (https://nodejs.org), or let npm bring it along: \`npm ci\` without \`--omit=optional\`, then \`npm start\`. npm has it for Linux with glibc, macOS and Windows x64.`,
  )
  process.exitCode = 1
} else {
  // Every read of an upload leaves a buffer of 64 KiB behind. A young generation that stays small is swept often, so they
  // go soon. When it was tried, five uploads at once took a quarter less memory at their peak, and the same time.
  setFlagsFromString('--semi-space-growth-factor=1')
  await import('./local.ts')
}
