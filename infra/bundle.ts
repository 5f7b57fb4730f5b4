import { join } from 'node:path'
import { buildSync, type Metafile } from 'esbuild'

/** For what is CommonJS inside: a module has no `require` of its own. */
const REQUIRE = "import{createRequire}from'node:module';const require=createRequire(import.meta.url);"

/** Ways to credentials that a function on Lambda never takes: there they are in the environment. The SDK asks for these only without. */
const NEVER_ASKED = ['ini', 'login', 'process', 'sso', 'web-identity'].map(
  way => `@aws-sdk/credential-provider-${way}`,
)

const TOP = join(import.meta.dirname, '..')

/** A file of a bundle. */
export interface BundleFile {
  readonly name: string
  readonly bytes: number
  /** Whether it is read before the first event, and not only when something in it is needed. */
  readonly atStart: boolean
  /** Paths, from the top of the project, of what was put into it. */
  readonly sources: readonly string[]
}

/**
 * Packs a program as Lambda gets it: `index.mjs`, with the SDK inside, because the one that Lambda has is not pinned and slower to
 * load. What is only imported when it is needed stays in files of its own, so that a cold start does not parse it.
 *
 * @param entry path of the file to begin with
 * @param folder where to put the result
 * @param options `splitting` can be turned off to see what it is good for (bench/cold.ts)
 */
export function bundle(entry: string, folder: string, { splitting = true } = {}): BundleFile[] {
  const { metafile } = buildSync({
    entryPoints: { index: entry },
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    chunkNames: '[name]-[hash]',
    bundle: true,
    splitting,
    external: NEVER_ASKED,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    mainFields: ['module', 'main'],
    banner: { js: REQUIRE },
    minify: true,
    keepNames: true,
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
    absWorkingDir: TOP,
  })
  return filesOf(metafile)
}

function filesOf({ outputs }: Metafile): BundleFile[] {
  const atStart = new Set<string>()
  const load = (path: string) => {
    if (atStart.has(path)) return
    atStart.add(path)
    const next = outputs[path]?.imports.filter(
      ({ kind, external }) => kind === 'import-statement' && !external,
    )
    for (const { path } of next ?? []) load(path)
  }
  for (const [path, { entryPoint }] of Object.entries(outputs))
    if (path.endsWith('/index.mjs') && entryPoint) load(path)
  return Object.entries(outputs).map(([path, { bytes, inputs }]) => ({
    name: path.slice(path.lastIndexOf('/') + 1),
    bytes,
    atStart: atStart.has(path),
    sources: Object.keys(inputs),
  }))
}
