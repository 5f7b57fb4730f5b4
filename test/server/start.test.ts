import { spawnSync } from 'node:child_process'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const START = fileURLToPath(new URL('../../server/start.js', import.meta.url))

/** A Node that is too old for us, should the machine have one. */
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

/** Makes the Node that runs the tests believe that it is another, where the machine has no old one to be asked. */
const PRETEND =
  'data:text/javascript,Object.defineProperty(process, "versions", { value: { node: "20.1.0" } })'

it('says in one line that Node is too old', () => {
  const oldNode = findOldNode()
  const [node, ...flags] = oldNode ? [oldNode] : [process.execPath, '--import', PRETEND]
  const { status, stdout, stderr } = spawnSync(node, [...flags, START], { encoding: 'utf8' })
  expect(status).toBe(1)
  expect(stdout).toBe('')
  expect(stderr).toMatch(/^longshore: Node\.js 24 or newer is needed, this is \d+\.[^\n]*\n$/)
})
