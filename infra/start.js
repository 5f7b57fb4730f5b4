// Plain JavaScript that old versions can read too. `npx cdk` puts the Node that the project brings first on the PATH; a
// cdk that was installed globally takes whatever Node the machine has, which may not know types.
const NEEDED = [22, 18]
const found = process.versions.node
const [major, minor] = found.split('.').map(Number)

if (major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1])) {
  console.error(
    `longshore: Node.js ${NEEDED.join('.')} or newer is needed, this is ${found}. Use \`npx cdk\`, which takes the one that \`npm ci\` brought along.`,
  )
  process.exitCode = 1
} else {
  await import('./app.ts')
}
