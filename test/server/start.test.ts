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

const oldNode = findOldNode()

it.skipIf(!oldNode)('says in one line that Node is too old (needs an old Node on the PATH)', () => {
  const { status, stdout, stderr } = spawnSync(oldNode ?? '', [START], { encoding: 'utf8' })
  expect(status).toBe(1)
  expect(stdout).toBe('')
  expect(stderr).toMatch(/^longshore: Node\.js 24 or newer is needed, this is \d+\.[^\n]*\n$/)
})
