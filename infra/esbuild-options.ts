import { join } from 'node:path'
import type { BuildOptions } from 'esbuild'

/** Provides `require` to bundled CommonJS packages; ES modules have none. */
const REQUIRE = "import{createRequire}from'node:module';const require=createRequire(import.meta.url);"

/**
 * How every program of this project is bundled: for Lambda (`infra/bundle.ts`), and for npm (`build/package.ts`). Paths
 * are relative to the project.
 */
export const BUNDLE_OPTIONS = {
  bundle: true,
  platform: 'node',
  format: 'esm',
  mainFields: ['module', 'main'],
  banner: { js: REQUIRE },
  minify: true,
  keepNames: true,
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
  absWorkingDir: join(import.meta.dirname, '..'),
} as const satisfies BuildOptions
