import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'

/** The ports, and the keys and rows behind them: the only part of `store/` that the registry imports. */
const PORTS = [
  'store/table.ts',
  'store/blobs.ts',
  'store/keys.ts',
  'store/records.ts',
  'store/direct-object.ts',
]

/** External modules of the store adapters. No other folder of the registry's core uses a database, a file system or AWS. */
const ADAPTER_MODULES = [
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
 * The imports that each part of the repository may have: folders and files of lambda/, folders outside it, packages and
 * modules of Node. `'*'` allows everything. The first row whose part is a prefix of a file's path applies to the file.
 * The layout table of docs/architecture.md describes the same rules.
 */
const MAY_IMPORT: readonly [part: string, ...allowed: string[]][] = [
  ['lambda/protocol/'],
  ['lambda/util/', 'valibot'],
  // `aws-lambda` is the package `@types/aws-lambda`: the types of events, without code.
  ['lambda/http/', 'protocol', 'aws-lambda'],
  ...PORTS.map((port): [string, ...string[]] => [`lambda/${port}`, 'protocol', ...PORTS]),
  ['lambda/store/', 'protocol', 'util', 'store', ...ADAPTER_MODULES],
  ['lambda/registry/', 'protocol', 'util', ...PORTS, 'node:crypto'],
  ['lambda/gc/', 'protocol', 'registry', ...PORTS],
  ['lambda/auth/', 'protocol', 'util', 'http', ...PORTS, 'node:crypto', 'jose', 'valibot', 'bcryptjs'],
  // The other side of the protocol. It knows nothing of our store or our server.
  [
    'lambda/client/',
    'protocol',
    'node:crypto',
    'node:fs',
    'node:fs/promises',
    'node:http',
    'node:https',
    'node:os',
    'node:path',
    'node:stream',
    'node:stream/promises',
    'node:timers/promises',
    'node:zlib',
    'tar-stream',
    'valibot',
  ],
  ['lambda/routes/', 'protocol', 'util', 'http', 'registry', 'auth', 'valibot', '@valibot/to-json-schema'],
  ['lambda/registry-app.ts', 'protocol', 'http', 'registry', 'gc', 'routes', 'auth'],
  [
    'lambda/aws/',
    'protocol',
    'util',
    'http',
    'auth',
    'registry/dependencies.ts',
    'registry/sessions.ts',
    'registry-app.ts',
    'store/dynamodb',
    'store/s3',
    'store/table.ts',
    'routes/upload-relay.ts',
    'store/shared/aws-signing.ts',
    'node:crypto',
    'node:events',
    'node:http',
    'node:https',
    'node:stream/consumers',
    'node:timers/promises',
    '@aws-sdk/client-cloudfront-keyvaluestore',
    '@aws-sdk/client-ssm',
    '@aws-sdk/core/client',
    '@smithy/signature-v4',
    'aws-lambda',
    'valibot',
  ],
  [
    'lambda/handlers/',
    'aws',
    'http',
    'auth/identity',
    'store/dynamodb',
    'store/table.ts',
    'store/direct-object.ts',
    'node:crypto',
    '@aws-sdk/client-cloudfront-keyvaluestore',
    '@aws-sdk/client-secrets-manager',
    '@aws-sdk/client-ssm',
    '@aws-sdk/signature-v4a',
    'aws-lambda',
  ],
  ['server/', '*'],
  ['cli/', '*'],
  [
    'smoke/',
    'smoke/*',
    'node:child_process',
    'node:crypto',
    'node:events',
    'node:http',
    'node:http2',
    'node:https',
    'node:util',
  ],
  ['infra/refresh-amis.ts', 'infra/*', '@aws-sdk/client-ssm', 'aws/signed-request.ts', 'node:fs'],
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
    'node:crypto',
    'node:fs',
    'node:path',
  ],
]

/** Packages and code that create the deployment. The deployed code does not contain them. */
const DEPLOYMENT_TOOLS = /^(aws-cdk|cdk-nag|constructs|esbuild|infra\/)/

/** The composition roots: the only code that depends on where it runs. */
const ROOTS = ['server/', 'cli/', 'infra/app.ts', 'lambda/handlers/', 'smoke/main.ts']

interface SourceFile {
  readonly path: string
  readonly text: string
  /** For files of the repository the path from its root, for packages and modules of Node the name. */
  readonly imports: readonly string[]
}

const IMPORT =
  /(?:^|\n|;)\s*(?:import|export)\s(?:[^'"]*?\sfrom\s)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/g

function read(path: string): SourceFile {
  const text = readFileSync(path, 'utf8')
  const specifiers = [...text.matchAll(IMPORT)].map(([, fixed, dynamic]) => fixed ?? dynamic ?? '')
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

/** The files outside `folder` that import a file of it. */
function importersOf(folder: string): string[] {
  const others = everything.filter(({ path }) => !path.startsWith(folder))
  return others
    .filter(({ imports }) => imports.some(target => target.startsWith(folder)))
    .map(({ path }) => path)
}

it('read finds the imports of a file', () => {
  expect(read('lambda/registry-app.ts').imports).toContain('lambda/gc/collector.ts')
  expect(read('lambda/registry/manifests.ts').imports).toContain('node:crypto')
})

it('MAY_IMPORT has a row for every file', () => {
  expect(everything.filter(({ path }) => !partOf(path)).map(({ path }) => path)).toEqual([])
})

describe('the import rules', () => {
  it.each(everything.map(file => [file.path, file] as const))(
    'allow all imports of %s',
    (path, { imports }) => {
      const [part = '', ...allowed] = partOf(path) ?? []
      const own = part.endsWith('/') ? [relative('lambda', part)] : []
      expect(imports.filter(target => !allows([...own, ...allowed], target))).toEqual([])
    },
  )
})

it('only infra/ imports the deployment tools', () => {
  const others = everything.filter(({ path }) => !path.startsWith('infra/'))
  expect(
    others.filter(({ imports }) => imports.some(name => DEPLOYMENT_TOOLS.test(name))).map(({ path }) => path),
  ).toEqual([])
})

it('only lambda/handlers/, the relay and the search for its images import lambda/aws/', () => {
  const importers = importersOf('lambda/aws/').filter(path => !path.startsWith('lambda/handlers/'))
  expect(importers.sort()).toEqual(['infra/refresh-amis.ts', 'server/relay-idle.ts', 'server/relay.ts'])
})

it('no file imports lambda/handlers/', () => {
  expect(importersOf('lambda/handlers/')).toEqual([])
})

it('smoke/ imports no code of lambda/', () => {
  expect(importersOf('lambda/').filter(path => path.startsWith('smoke/'))).toEqual([])
})

it('only composition roots read the environment', () => {
  const readers = everything
    .filter(({ text }) => /\bprocess\.env\b|\bfrom 'node:process'/.test(text))
    .map(({ path }) => path)
  expect(readers.filter(path => !ROOTS.some(root => path.startsWith(root)))).toEqual([])
})

it('only composition roots and adapters read the clock or random numbers', () => {
  const inner = lambda.filter(({ path }) => !/^lambda\/(?:aws|handlers|store)\//.test(path))
  const impure = inner.filter(({ text }) => /\bDate\.now|new Date\(\)|Math\.random|randomUUID/.test(text))
  expect(impure.map(({ path }) => path)).toEqual([])
})

it('the folders of lambda/ have no import cycle', () => {
  const folderOf = (path: string) => path.split('/').slice(0, 2).join('/')
  const importsOf = new Map<string, Set<string>>()
  for (const { path, imports } of lambda)
    for (const target of imports.filter(one => one.startsWith('lambda/'))) {
      const [from, to] = [folderOf(path), folderOf(target)]
      if (from !== to) importsOf.set(from, (importsOf.get(from) ?? new Set()).add(to))
    }
  const reaches = (from: string, target: string, visited = new Set<string>()): boolean =>
    [...(importsOf.get(from) ?? [])].some(next => {
      if (next === target) return true
      if (visited.has(next)) return false
      return reaches(next, target, visited.add(next))
    })
  expect([...importsOf.keys()].filter(folder => reaches(folder, folder))).toEqual([])
})
