import { RegistryError } from '../protocol/errors.ts'
import { ObjectMissing, StorageFull, StoreBusy } from '../store/blobs.ts'
import { TableBusy } from '../store/table.ts'

/** The error that a client receives for an error of the table or the blob store; `undefined` for any other error. */
export function explainStoreError(cause: unknown): RegistryError | undefined {
  // A row names the object, so the store has lost it. The client can only push it again, and the log must tell the
  // operator.
  if (cause instanceof ObjectMissing) return new RegistryError('BLOB_UNKNOWN', { cause, isFault: true })
  if (cause instanceof StorageFull) return new RegistryError('INSUFFICIENT_STORAGE', { cause })
  if (cause instanceof TableBusy || cause instanceof StoreBusy)
    return new RegistryError('UNAVAILABLE', { cause })
  return undefined
}
