import { existsSync } from 'node:fs'
import { describeWith } from '../support/requirements.ts'
import { PYTHON } from './ministack.ts'

/** A `describe` that needs MiniStack, and skips visibly where `.ci/python/build` has not installed it. */
export function describeOnMinistack(name: string, body: () => void): void {
  const installed = existsSync(PYTHON) ? [] : ['MiniStack, by .ci/python/build']
  describeWith({ tools: ['openssl', ...installed], linux: true }, name, body)
}

/**
 * The settings of every deployment here. MiniStack has neither VPC origins nor CloudFront's functions: the relay cannot be
 * deployed on it.
 */
export const BASE = { relay: 'off' }
