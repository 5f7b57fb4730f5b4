import { spawnSync } from 'node:child_process'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { literally } from './support.ts'

const start = (folder: string) => fileURLToPath(new URL(`../../${folder}/start.js`, import.meta.url))

/** A Node that is too old for this project, if the machine has one. */
function findOldNode(): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(folder => !folder.includes('node_modules'))
  return folders
    .map(folder => join(folder, 'node'))
    .find(node => {
      const major = Number(
        /^v(\d+)/.exec(spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1],
      )
      return major < 24
    })
}

/** Makes the Node that runs the tests report an old version, for machines without an old Node. */
const PRETEND =
  'data:text/javascript,Object.defineProperty(process, "versions", { value: { node: "20.1.0" } })'

it.each([
  ['server', '24', 'npm start'],
  ['infra', '22.18', 'npx cdk'],
])(
  '%s/start.js names the required Node, the one that was found, and two ways to get it',
  (folder, needed, command) => {
    const oldNode = findOldNode()
    const [node, ...flags] = oldNode ? [oldNode] : [process.execPath, '--import', PRETEND]
    const { status, stdout, stderr } = spawnSync(node, [...flags, start(folder)], { encoding: 'utf8' })
    expect(status).toBe(1)
    expect(stdout).toBe('')
    expect(stderr).toMatch(/^longshore: [^\n]*\n$/)
    expect(stderr).toMatch(
      new RegExp(`Node\\.js ${literally(needed)} or newer is required, but this is \\d+\\.`),
    )
    expect(stderr).toContain('Either install it')
    expect(stderr).toContain('`npm ci` without `--omit=optional`')
    expect(stderr).toContain(command)
  },
)
