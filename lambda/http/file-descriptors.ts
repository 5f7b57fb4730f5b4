import { RegistryError } from '../protocol/errors.ts'

/** Node's error codes for "no free file descriptor": EMFILE for the process, ENFILE for the operating system. */
const CODES = ['EMFILE', 'ENFILE']

/** Whether an error or one of its causes says that the process cannot open another file or socket. */
export function isOutOfDescriptors(error: unknown): boolean {
  for (let one = error, depth = 0; one instanceof Error && depth < 8; one = one.cause, depth++)
    if (CODES.includes((one as { readonly code?: unknown }).code as string)) return true
  return false
}

/** Converts such an error to UNAVAILABLE, with Retry-After. Returns `undefined` for any other error. */
export function explainExhaustion(cause: unknown): RegistryError | undefined {
  if (!isOutOfDescriptors(cause)) return undefined
  return new RegistryError('UNAVAILABLE', { message: 'too many open files: try again', cause })
}
