import { setFlagsFromString } from 'node:v8'

// Plain JavaScript, because an old version of Node must be able to run this file.
// Lambda and the tests run on Node 24. It strips types and has `node:sqlite`, both without a flag.
const REQUIRED_MAJOR = 24
const found = process.versions.node

if (Number.parseInt(found, 10) < REQUIRED_MAJOR) {
  console.error(
    `longshore: Node.js ${REQUIRED_MAJOR} or newer is required, but this is ${found}. Either install it (https://nodejs.org), or let npm install it as a package: \`npm ci\` without \`--omit=optional\`, then \`npm start\`. npm has it for Linux with glibc, macOS and Windows x64.`,
  )
  process.exitCode = 1
} else {
  // Each read of an upload leaves a buffer of 64 KiB. A small young generation is collected often, so the buffers are
  // freed soon. Measured: five uploads at the same time needed a quarter less memory at their peak, and the same time.
  setFlagsFromString('--semi-space-growth-factor=1')
  await import('./local.ts')
}
