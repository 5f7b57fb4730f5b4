import { expect } from 'vitest'
import { parseManifest } from '../../lambda/protocol/manifest.ts'
import { errorOf } from '../support/errors.ts'

/** The rule that a manifest violates. */
export function ruleOf(bytes: string | Uint8Array, contentType?: string): string | undefined {
  const error = errorOf(() => parseManifest(Buffer.from(bytes), contentType))
  expect(error?.code).toBe('MANIFEST_INVALID')
  const { rule } = (error?.detail ?? {}) as { rule?: string }
  return rule
}
