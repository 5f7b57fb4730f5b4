import { cpSync, readFileSync, symlinkSync } from 'node:fs'
import { delimiter, join, relative } from 'node:path'
import { run } from './command.ts'
import type { TempDir } from './temp-dir.ts'

const TOP = join(import.meta.dirname, '../..')
/** Top-level folders that `npm pack` does not need. `node_modules` is linked instead. */
const NOT_COPIED = /^(node_modules|\.git|\.ci|data|cdk\.out|dist)($|\/)/

/**
 * Runs `npm pack` in a copy of the project, because it replaces the manifest for a moment.
 * @returns the path of the tarball
 */
export async function packProject(scratch: TempDir): Promise<string> {
  const copy = scratch.folder('clone')
  cpSync(TOP, copy, { recursive: true, filter: path => !NOT_COPIED.test(relative(TOP, path)) })
  symlinkSync(join(TOP, 'node_modules'), join(copy, 'node_modules'))
  await run('npm', ['pack', '--silent', '--pack-destination', scratch.path], { cwd: copy })
  const { version } = JSON.parse(readFileSync(join(TOP, 'package.json'), 'utf8'))
  return join(scratch.path, `longshore-${version}.tgz`)
}

/** An environment in which programs find the Node of this folder first. */
export function withNode(bin: string): { PATH: string } {
  return { PATH: [bin, process.env.PATH].join(delimiter) }
}
