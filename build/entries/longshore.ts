#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8'
import { launch } from './launch.ts'

/* The program `longshore` of the package: the command line, with the server as its command `serve`. */

await launch(async () => {
  const [{ run }, { processIo }] = await Promise.all([import('../../cli/main.ts'), import('../../cli/io.ts')])
  process.exitCode = await run(process.argv.slice(2), { ...processIo(), serve })
})

async function serve(args: readonly string[]): Promise<number> {
  process.argv.splice(2, Number.POSITIVE_INFINITY, ...args)
  setFlagsFromString('--semi-space-growth-factor=1') // see server/start.js
  await import('../../server/local.ts')
  return Number(process.exitCode ?? 0)
}
