// Runs the property tests from a random seed, or from `FC_SEED`, with `FC_RUNS` (5) times as many runs of each property
// as `npm test`. Arguments are passed on to vitest. `npm run test:random` calls it.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

const TOP = join(import.meta.dirname, '..')
const DEFAULT_RUNS = '5'

const seed = process.env.FC_SEED ?? String(Math.floor(Math.random() * 2 ** 31))
const runs = process.env.FC_RUNS ?? DEFAULT_RUNS
const command = `FC_SEED=${seed}${runs === DEFAULT_RUNS ? '' : ` FC_RUNS=${runs}`} npm run test:random`

const files = readdirSync(import.meta.dirname, { recursive: true })
  .filter(file => file.endsWith('.test.ts') && !/^(cloud|conformance|e2e)\//.test(file))
  .map(file => join(import.meta.dirname, file))
  .filter(file => usesFastCheck(file))
  .map(file => relative(TOP, file))

console.log(`seed ${seed}: ${files.length} files with property tests, ${runs} times the usual runs`)
const { status } = spawnSync(
  process.execPath,
  [
    join(TOP, 'node_modules/vitest/vitest.mjs'),
    ...['run', '--project', 'unit', '--project', 'mocking', '--project', 'infra'],
    ...files,
    ...process.argv.slice(2),
  ],
  { cwd: TOP, stdio: 'inherit', env: { ...process.env, FC_SEED: seed, FC_RUNS: runs } },
)
if (status !== 0) console.error(`\nTo repeat this run: ${command}`)
process.exitCode = status ?? 1

/**
 * Whether `FC_RUNS` affects a test file: it uses fast-check or the variable, itself or through a file of `test/` that
 * it imports.
 */
function usesFastCheck(file, seen = new Set()) {
  if (seen.has(file)) return false
  seen.add(file)
  const text = readFileSync(file, 'utf8')
  if (text.includes('process.env.FC_RUNS')) return true
  const imported = [...text.matchAll(/from '([^']+)'/g)].map(([, name]) => name)
  if (imported.includes('fast-check')) return true
  return imported
    .filter(name => name.startsWith('.'))
    .map(name => join(dirname(file), name))
    .filter(path => path.startsWith(import.meta.dirname) && path.endsWith('.ts'))
    .some(path => usesFastCheck(path, seen))
}
