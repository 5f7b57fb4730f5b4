import { existsSync } from 'node:fs'
import { describeWith } from '../support/requirements.ts'
import { PYTHON } from './ministack.ts'

/** A `describe` that is skipped, with the reason in its name, when `.ci/python/build` has not installed MiniStack. */
export function describeOnMinistack(name: string, body: () => void): void {
  const installed = existsSync(PYTHON) ? [] : ['MiniStack, by .ci/python/build']
  describeWith({ tools: ['openssl', ...installed], linux: true }, name, body)
}

/** Settings of all deployments on MiniStack, which does not have the resource type AWS::CloudFront::VpcOrigin of the relay. */
export const BASE = { relay: 'off' }
