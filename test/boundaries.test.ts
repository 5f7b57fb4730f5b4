import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'

/** The ports: what the registry knows of its stores. */
const PORTS = [
  'store/table.ts',
  'store/blobs.ts',
  'store/keys.ts',
  'store/records.ts',
  'store/direct-object.ts',
]

/** What adapters are made of. Nothing else in lambda/ but the handlers may know a store, a file system or AWS. */
const ADAPTERS = [
  'node:crypto',
  'node:fs',
  'node:fs/promises',
  'node:os',
  'node:path',
  'node:sqlite',
  'node:stream',
  'node:timers/promises',
  'node:util',
  'hash-wasm',
  '@aws-sdk/*',
  '@smithy/*',
]

/**
 * What each part of the house may import: folders of lambda/, single files of them, packages, Node's own modules. An
 * arrow that is missing here is a decision. The first row whose path a file begins with is the one for it.
 */
const MAY_IMPORT: readonly [part: string, ...allowed: string[]][] = [
  ['lambda/protocol/'],
  ['lambda/util/', 'valibot'],
  // `aws-lambda` is `@types/aws-lambda`: the shapes of events, and no code.
  ['lambda/http/', 'protocol', 'aws-lambda'],
  ...PORTS.map((port): [string, ...string[]] => [`lambda/${port}`, 'protocol', ...PORTS]),
  ['lambda/store/', 'protocol', 'util', 'store', ...ADAPTERS],
  ['lambda/registry/', 'protocol', 'util', ...PORTS, 'node:crypto'],
  ['lambda/gc/', 'protocol', 'registry', ...PORTS],
  ['lambda/auth/', 'protocol', 'util', 'http', ...PORTS, 'node:crypto', 'jose', 'valibot', 'bcryptjs'],
  ['lambda/routes/', 'protocol', 'util', 'http', 'registry', 'auth', 'valibot', '@valibot/to-json-schema'],
  ['lambda/registry-app.ts', 'protocol', 'http', 'registry', 'gc', 'routes', 'auth'],
  ['lambda/aws/', '*'],
  ['lambda/handlers/', '*'],
  ['server/', '*'],
  ['cli/', '*'],
  ['smoke/', 'smoke/*', 'node:crypto', 'node:events', 'node:http', 'node:http2', 'node:https', 'node:util'],
  [
    'infra/',
    'infra/*',
    'auth/identity/federated/issuers.ts',
    'store/keys.ts',
    'aws-cdk-lib',
    'aws-cdk-lib/*',
    'cdk-nag',
    'constructs',
    'esbuild',
    'valibot',
    'node:path',
  ],
]

/** What builds the deployment is not deployed. */
const TOOLS = /^(aws-cdk|cdk-nag|constructs|esbuild|infra\/)/

/** The composition roots, which alone know where they run. */
const ROOTS = ['server/', 'cli/', 'lambda/handlers/', 'smoke/main.ts']

interface SourceFile {
  readonly path: string
  readonly text: string
  /** Paths from the top for our own files, names for everything else. */
  readonly imports: readonly string[]
}

const IMPORT =
  /(?:^|\n|;)\s*(?:import|export)\s(?:[^'"]*?\sfrom\s)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/g

function read(path: string): SourceFile {
  const text = readFileSync(path, 'utf8')
  const specifiers = [...text.matchAll(IMPORT)].map(([, from, called]) => from ?? called ?? '')
  const imports = specifiers.map(name => (name.startsWith('.') ? join(dirname(path), name) : name))
  return { path, text, imports }
}

function filesOf(folder: string): SourceFile[] {
  const names = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }) : []
  return names.filter(name => name.endsWith('.ts')).map(name => read(join(folder, name)))
}

const lambda = filesOf('lambda')
const everything = [
  ...lambda,
  ...filesOf('server'),
  ...filesOf('cli'),
  ...filesOf('infra'),
  ...filesOf('smoke'),
]
const partOf = (path: string) => MAY_IMPORT.find(([part]) => path.startsWith(part))

function allows(allowed: readonly string[], target: string): boolean {
  const inLambda = target.startsWith('lambda/') ? relative('lambda', target) : undefined
  return allowed.some(name => {
    if (name === '*' || name === target) return true
    if (name.endsWith('*')) return target.startsWith(name.slice(0, -1))
    return inLambda !== undefined && (inLambda === name || inLambda.startsWith(`${name}/`))
  })
}

it('finds the imports of a file', () => {
  expect(read('lambda/registry-app.ts').imports).toContain('lambda/gc/collector.ts')
  expect(read('lambda/registry/manifests.ts').imports).toContain('node:crypto')
})

it('has a rule for every file', () => {
  expect(everything.filter(({ path }) => !partOf(path)).map(({ path }) => path)).toEqual([])
})

describe('imports only what it may:', () => {
  it.each(everything.map(file => [file.path, file] as const))('%s', (path, { imports }) => {
    const [part = '', ...allowed] = partOf(path) ?? []
    const own = part.endsWith('/') ? [relative('lambda', part)] : []
    expect(imports.filter(target => !allows([...own, ...allowed], target))).toEqual([])
  })
})

it('leaves the tools of the deployment to what deploys', () => {
  const others = everything.filter(({ path }) => !path.startsWith('infra/'))
  expect(
    others.filter(({ imports }) => imports.some(name => TOOLS.test(name))).map(({ path }) => path),
  ).toEqual([])
})

it('reads the environment in the composition roots alone', () => {
  const readers = everything
    .filter(({ text }) => /\bprocess\.env\b|\bfrom 'node:process'/.test(text))
    .map(({ path }) => path)
  expect(readers.filter(path => !ROOTS.some(root => path.startsWith(root)))).toEqual([])
})

it('knows the clock and chance in the composition roots and the adapters alone', () => {
  const inner = lambda.filter(({ path }) => !/^lambda\/(?:aws|handlers|store)\//.test(path))
  const impure = inner.filter(({ text }) => /\bDate\.now|new Date\(\)|Math\.random|randomUUID/.test(text))
  expect(impure.map(({ path }) => path)).toEqual([])
})

it('has no circle of imports between the folders of lambda/', () => {
  const folderOf = (path: string) => path.split('/').slice(0, 2).join('/')
  const arrows = new Map<string, Set<string>>()
  for (const { path, imports } of lambda)
    for (const target of imports.filter(one => one.startsWith('lambda/'))) {
      const [from, to] = [folderOf(path), folderOf(target)]
      if (from !== to) arrows.set(from, (arrows.get(from) ?? new Set()).add(to))
    }
  const reaches = (from: string, goal: string, seen = new Set<string>()): boolean =>
    [...(arrows.get(from) ?? [])].some(next => {
      if (next === goal) return true
      if (seen.has(next)) return false
      return reaches(next, goal, seen.add(next))
    })
  expect([...arrows.keys()].filter(folder => reaches(folder, folder))).toEqual([])
})
