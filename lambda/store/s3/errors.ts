import { ObjectMissing, StoreBusy } from '../blobs.ts'
import { isUnreachable } from '../shared/aws-errors.ts'

/** S3 errors that ask for a retry later, whatever their status. */
const BUSY = ['OperationAborted', 'RequestTimeout', 'SlowDown', 'ThrottlingException']

/** The result of a request, or an error of the port where it has one for it. Other errors pass as they are. */
export async function mapS3Errors<T>(request: Promise<T>): Promise<T> {
  try {
    return await request
  } catch (error) {
    if (hasErrorName(error, 'NoSuchKey', 'NoSuchUpload'))
      throw new ObjectMissing('S3 has no such object or upload', { cause: error })
    if (isBusy(error)) throw new StoreBusy('S3 is busy or unreachable', { cause: error })
    throw error
  }
}

/** Whether the error has one of these names. */
export function hasErrorName(error: unknown, ...names: string[]): boolean {
  return error instanceof Error && names.includes(error.name)
}

/** After the SDK's own retries: S3 is overloaded or broken, or the way to it is. */
function isBusy(error: unknown): boolean {
  return hasErrorName(error, ...BUSY) || isUnreachable(error)
}
