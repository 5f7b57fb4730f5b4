import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { buildPrograms, packageManifest } from './package.ts'

/*
 * Runs before `npm pack`: builds dist/, and puts the manifest of the package in place of the clone's, as npm packs the one that is
 * on the disk. `postpack` puts the clone's back. After an interrupted `npm pack`, `npm run postpack` does so.
 */

const KEPT = 'package.json.clone'
if (existsSync(KEPT)) throw new Error('an earlier "npm pack" was interrupted: run "npm run postpack" first')

buildPrograms('dist')
const clone = readFileSync('package.json', 'utf8')
writeFileSync(KEPT, clone)
writeFileSync('package.json', `${JSON.stringify(packageManifest(JSON.parse(clone)), null, 2)}\n`)
