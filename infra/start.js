// Plain JavaScript, which old versions of Node can run too. `npx cdk` uses the Node that the project installs. A cdk
// that is installed globally uses the Node of the machine, which may not support TypeScript.
const REQUIRED = [22, 18]
const found = process.versions.node
const [major, minor] = found.split('.').map(Number)

if (major < REQUIRED[0] || (major === REQUIRED[0] && minor < REQUIRED[1])) {
  console.error(
    `longshore: Node.js ${REQUIRED.join('.')} or newer is required, but this is ${found}. Either install it (https://nodejs.org), or let npm install it as a package: \`npm ci\` without \`--omit=optional\`, then \`npx cdk\`. npm has it for Linux with glibc, macOS and Windows x64.`,
  )
  process.exitCode = 1
} else {
  await import('./app.ts')
}
