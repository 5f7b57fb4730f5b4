import { join } from 'node:path'
import { buildSync } from 'esbuild'

const FOLDER = join(import.meta.dirname, 'edge')
const IMPORT = /import ([\w$]+) from"(\w+)";\n?/g
const EXPORT = /export\{([\w$]+) as handler\};\s*$/

const built = new Map<string, string>()

/**
 * The code of a CloudFront function, as it is deployed and tested: the files of `infra/edge/` in one, without comments and with short
 * names, because CloudFront limits its size.
 * @param name file in `infra/edge/`, without its extension
 */
export function edgeFunctionCode(name: 'viewer-request' | 'viewer-response'): string {
  const code = built.get(name) ?? build(name)
  built.set(name, code)
  return code
}

function build(name: string): string {
  const { outputFiles } = buildSync({
    entryPoints: [join(FOLDER, `${name}.js`)],
    bundle: true,
    write: false,
    format: 'esm',
    // The modules of CloudFront's runtime.
    external: ['cloudfront', 'crypto'],
    minifyWhitespace: true,
    minifyIdentifiers: true,
    // The runtime has no shorthand properties.
    supported: { 'object-extensions': false },
    legalComments: 'none',
    logLevel: 'warning',
  })
  const module = outputFiles[0]?.text ?? ''
  const exported = EXPORT.exec(module)?.[1]
  if (!exported) throw new Error(`infra/edge/${name}.js must export handler`)
  const imports = [...module.matchAll(IMPORT)].map(([, local, from]) => `import ${local} from '${from}'\n`)
  const code = module.replaceAll(IMPORT, '').replace(EXPORT, '')
  // A function file has no exports. CloudFront calls the global function `handler`.
  return `${imports.join('')}${code}async function handler(event){return ${exported}(event)}\n`
}
