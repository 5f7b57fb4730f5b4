import { RegistryError } from '../protocol/errors.ts'

/** Node's codes for no free file descriptor: in this process, and in the whole system. */
const CODES = ['EMFILE', 'ENFILE']

/** Whether an error, or one that caused it, means that no file or socket can be opened for now. */
export function isOutOfDescriptors(error: unknown): boolean {
  for (let one = error, depth = 0; one instanceof Error && depth < 8; one = one.cause, depth++)
    if (CODES.includes((one as { readonly code?: unknown }).code as string)) return true
  return false
}

/** Converts such an error to UNAVAILABLE, with Retry-After. `undefined` for any other error. */
export function explainExhaustion(cause: unknown): RegistryError | undefined {
  if (!isOutOfDescriptors(cause)) return undefined
  return new RegistryError('UNAVAILABLE', { message: 'too many open files: try again', cause })
}
