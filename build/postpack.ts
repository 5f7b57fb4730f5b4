import { existsSync, renameSync } from 'node:fs'

// Puts the clone's manifest back (see prepack.ts).
if (existsSync('package.json.clone')) renameSync('package.json.clone', 'package.json')
