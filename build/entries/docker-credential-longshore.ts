#!/usr/bin/env node
import { launch } from './launch.ts'

await launch(() => import('../../cli/credential-helper.ts'))
