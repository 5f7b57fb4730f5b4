// Plain JavaScript that old versions can read too. `npx cdk` puts the Node that the project brings first on the PATH; a
// cdk that was installed globally takes whatever Node the machine has, which may not know types.
const NEEDED = [22, 18]
const found = process.versions.node
const [major, minor] = found.split('.').map(Number)

if (major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1])) {
  console.error(
    `longshore: Node.js ${NEEDED.join('.')} or newer is needed, and this is ${found}. Either install it (https://nodejs.org), or let npm bring it along: \`npm ci\` without \`--omit=optional\`, then \`npx cdk\`. npm has it for Linux with glibc, macOS and Windows x64.`,
  )
  process.exitCode = 1
} else {
  await import('./app.ts')
}
