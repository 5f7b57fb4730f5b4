#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8'
import { launch } from './launch.ts'

/* The program `longshore` of the package: the server, a plugin of the kubelet, and the command line. */

const [, , command] = process.argv

await launch(() => {
  switch (command) {
    case 'serve':
      process.argv.splice(2, 1)
      setFlagsFromString('--semi-space-growth-factor=1') // server/start.js says why
      return import('../../server/local.ts')
    case 'kubelet-credential-provider':
      return import('../../cli/kubelet-credential-provider.ts')
    default:
      return import('../../cli/main.ts')
  }
})
