import { type ErrorCode, RegistryError } from '../../lambda/protocol/errors.ts'

/** The registry error that `action` throws. Any other error is rethrown, so it fails the test. */
export function errorOf(action: () => unknown): RegistryError | undefined {
  try {
    action()
  } catch (error) {
    if (error instanceof RegistryError) return error
    throw error
  }
  return undefined
}

export function codeOf(action: () => unknown): ErrorCode | undefined {
  return errorOf(action)?.code
}
