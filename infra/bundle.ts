import { buildSync, type Metafile } from 'esbuild'
import { BUNDLE_OPTIONS } from './esbuild-options.ts'

/** Credential providers that a Lambda function never uses, because its credentials are in the environment. */
const UNUSED_CREDENTIAL_PROVIDERS = ['ini', 'login', 'process', 'sso', 'web-identity'].map(
  way => `@aws-sdk/credential-provider-${way}`,
)

/** A file of a bundle. */
export interface BundleFile {
  readonly name: string
  readonly bytes: number
  /** Whether a cold start loads it. Other files are loaded when they are first needed. */
  readonly atStart: boolean
  /** Paths of the source files in it, relative to the project. */
  readonly sources: readonly string[]
}

/**
 * Bundles a Lambda function as `index.mjs`. The bundle contains the AWS SDK, because Lambda's own copy is not pinned and loads more
 * slowly. Dynamic imports stay in separate files, so that a cold start does not parse them.
 *
 * @param entry path of the entry file
 * @param folder path of the output folder
 * @param options `splitting` can be turned off to measure its effect (bench/cold.ts)
 */
export function bundle(entry: string, folder: string, { splitting = true } = {}): BundleFile[] {
  const { metafile } = buildSync({
    ...BUNDLE_OPTIONS,
    entryPoints: { index: entry },
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    chunkNames: '[name]-[hash]',
    splitting,
    external: UNUSED_CREDENTIAL_PROVIDERS,
    target: 'node24',
  })
  return filesOf(metafile)
}

/**
 * Bundles a program for a machine without packages into one file. Unlike a function's bundle, it contains every credential provider,
 * because the SDK tries them in turn.
 * @returns names of the modules that the file imports
 */
export function bundleProgram(entry: string, file: string): string[] {
  const { metafile } = buildSync({ ...BUNDLE_OPTIONS, entryPoints: [entry], outfile: file, target: 'node24' })
  return Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path))
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
