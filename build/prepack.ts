import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { buildPrograms, packageManifest } from './package.ts'

/*
 * Runs before `npm pack`: builds dist/, and replaces the clone's manifest with the package's, because npm packs the
 * manifest on the disk. postpack.ts restores the clone's manifest. After an interrupted `npm pack`, run
 * `npm run postpack`.
 */

const SAVED_MANIFEST = 'package.json.clone'
if (existsSync(SAVED_MANIFEST))
  throw new Error('an earlier "npm pack" was interrupted: run "npm run postpack" first')

buildPrograms('dist')
const clone = readFileSync('package.json', 'utf8')
writeFileSync(SAVED_MANIFEST, clone)
writeFileSync('package.json', `${JSON.stringify(packageManifest(JSON.parse(clone)), null, 2)}\n`)
