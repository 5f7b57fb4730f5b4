import { copyFileSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { run } from './command.ts'
import type { Dockerd } from './dockerd.ts'
import type { TempDir } from './temp-dir.ts'

/**
 * Imports a base image in place of the Dockerfile's default, which tests cannot pull. It contains only this machine's
 * Node at /nodejs/bin/node and the libraries that it links to.
 * @returns the name of the image
 */
export async function importNodeBase(engine: Dockerd, scratch: TempDir): Promise<string> {
  const root = scratch.folder('base')
  const copy = (from: string, to: string) => {
    mkdirSync(dirname(join(root, to)), { recursive: true })
    copyFileSync(from, join(root, to))
  }
  copy(process.execPath, 'nodejs/bin/node')
  for (const [, library = ''] of (await run('ldd', [process.execPath])).matchAll(/(\/\S+) \(0x/g))
    copy(library, library)
  mkdirSync(join(root, 'tmp'), { mode: 0o1777 })
  const archive = scratch.join('base.tar')
  await run('tar', ['-C', root, '-cf', archive, '.'])
  await engine.docker('import', archive, 'longshore-test/node-base:1')
  return 'longshore-test/node-base:1'
}
