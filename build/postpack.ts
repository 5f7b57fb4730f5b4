import { existsSync, renameSync } from 'node:fs'

// Restores the clone's manifest, which prepack.ts has replaced.
if (existsSync('package.json.clone')) renameSync('package.json.clone', 'package.json')
