import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildSync } from 'esbuild'
import { BUNDLE_OPTIONS } from '../infra/esbuild-options.ts'

const TOP = BUNDLE_OPTIONS.absWorkingDir
const PROGRAMS = ['longshore', 'docker-credential-longshore'] as const
/** The package contains it, but only the container image uses it. */
const HEALTH_CHECK = 'health'

/** Fields that the package's manifest copies from the clone's. */
const SHARED_FIELDS = ['name', 'version', 'description', 'license', 'type', 'files'] as const

/**
 * Bundles the programs of the package with all dependencies into `folder`, and writes the licences of these
 * dependencies. Code that not every command needs is in separate files, which are loaded on demand.
 */
export function buildPrograms(folder: string): void {
  rmSync(folder, { recursive: true, force: true })
  const { metafile } = buildSync({
    ...BUNDLE_OPTIONS,
    entryPoints: Object.fromEntries(
      [...PROGRAMS, HEALTH_CHECK].map(name => [name, `build/entries/${name}.ts`]),
    ),
    outdir: folder,
    chunkNames: 'chunks/[name]-[hash]',
    splitting: true,
    target: 'node22.13',
  })
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}\n')
  mkdirSync(join(folder, 'data'), { mode: 0o700 }) // the data folder of the image; npm does not pack empty folders
  writeFileSync(join(folder, 'THIRD-PARTY-LICENSES.txt'), licencesOf(Object.keys(metafile.inputs)))
}

/**
 * Creates the manifest of the package. Unlike the clone's manifest it has no dependencies, because they are bundled,
 * and it requires Node 22.13, while a clone installs its own Node.
 * @param clone the clone's manifest
 */
export function packageManifest(clone: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return {
    ...Object.fromEntries(SHARED_FIELDS.map(field => [field, clone[field]])),
    bin: Object.fromEntries(PROGRAMS.map(name => [name, `dist/${name}.js`])),
    engines: { node: '>=22.13' },
  }
}

/** The licence texts of the npm packages that contain the files. @param inputs paths relative to the project */
function licencesOf(inputs: readonly string[]): string {
  const folders = new Set(
    inputs.flatMap(path => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []).sort(),
  )
  const packagesByText = new Map<string, string[]>()
  for (const folder of folders) {
    const { title, text } = licenceOf(join(TOP, folder))
    packagesByText.set(text, [...(packagesByText.get(text) ?? []), title])
  }
  return [...packagesByText].map(([text, titles]) => `${titles.join('\n')}\n\n${text}\n`).join('\n')
}

function licenceOf(folder: string): { title: string; text: string } {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const files = readdirSync(folder).filter(file => /^(licen[cs]e|notice)(\.|$)/i.test(file))
  const text = files.map(file => readFileSync(join(folder, file), 'utf8').trim()).join('\n\n')
  return { title: `${name} ${version} (${license})`, text }
}
