#!/usr/bin/env node
import { launch } from './launch.ts'

await launch(async () => {
  const [{ run }, { processIo }] = await Promise.all([
    import('../../cli/credential-helper.ts'),
    import('../../cli/io.ts'),
  ])
  process.exitCode = await run(process.argv.slice(2), processIo())
})
