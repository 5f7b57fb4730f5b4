import { ObjectMissing, StoreBusy } from '../blobs.ts'
import { isUnreachable } from '../shared/aws-errors.ts'

/** S3 errors that request a later retry, with any HTTP status. */
const BUSY = ['OperationAborted', 'RequestTimeout', 'SlowDown', 'ThrottlingException']

/**
 * Awaits a request and maps S3 errors to errors of the port. Other errors are rethrown unchanged.
 * @throws {ObjectMissing}
 * @throws {StoreBusy}
 */
export async function mapS3Errors<T>(request: Promise<T>): Promise<T> {
  try {
    return await request
  } catch (error) {
    if (hasErrorName(error, 'NoSuchKey', 'NoSuchUpload'))
      throw new ObjectMissing('S3 has no such object or multipart upload', { cause: error })
    if (isBusy(error)) throw new StoreBusy('S3 is busy or unreachable', { cause: error })
    throw error
  }
}

/** Whether the error has one of these names. */
export function hasErrorName(error: unknown, ...names: string[]): boolean {
  return error instanceof Error && names.includes(error.name)
}

/** Whether S3 is overloaded, broken or unreachable. The SDK throws such an error after its own retries. */
function isBusy(error: unknown): boolean {
  return hasErrorName(error, ...BUSY) || isUnreachable(error)
}
