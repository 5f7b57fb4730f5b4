// Plain JavaScript that old versions can read too: it may be the first thing that a stranger's Node meets of us.
// 24 is what Lambda runs and what the tests run on. It strips types and has `node:sqlite`, both without a flag.
const NEEDED = 24
const found = process.versions.node

if (Number.parseInt(found, 10) < NEEDED) {
  console.error(
    `longshore: Node.js ${NEEDED} or newer is needed, this is ${found}. \`npm ci\` brings one along: use \`npm start\`.`,
  )
  process.exitCode = 1
} else {
  await import('./local.ts')
}
