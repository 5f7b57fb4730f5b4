import { join } from 'node:path'
import { type BuildResult, buildSync } from 'esbuild'

/** For what is CommonJS inside: a module has no `require` of its own. */
const REQUIRE = "import{createRequire}from'node:module';const require=createRequire(import.meta.url);"

/**
 * Packs a program as Lambda gets it: `index.mjs`, with the SDK inside, because the one that Lambda has is not pinned and slower to
 * load. What is only imported when it is needed stays in files of its own, so that a cold start does not parse it.
 *
 * @param entry path of the file to begin with
 * @param folder where to put the result
 */
export function bundle(entry: string, folder: string): BuildResult<{ metafile: true }> {
  return buildSync({
    entryPoints: { index: entry },
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    chunkNames: '[name]-[hash]',
    bundle: true,
    splitting: true,
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
    absWorkingDir: join(import.meta.dirname, '..'),
  })
}
