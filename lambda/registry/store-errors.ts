import { RegistryError } from '../protocol/errors.ts'
import { ObjectMissing, StorageFull, StoreBusy } from '../store/blobs.ts'
import { TableBusy } from '../store/table.ts'

/** What an error of the stores means to a client; `undefined` for one that has no meaning to it. */
export function explainStoreError(cause: unknown): RegistryError | undefined {
  // A row names the object, so the store has lost it: a client can only push it again, and the operator must hear of it.
  if (cause instanceof ObjectMissing) return new RegistryError('BLOB_UNKNOWN', { cause, isFault: true })
  if (cause instanceof StorageFull) return new RegistryError('INSUFFICIENT_STORAGE', { cause })
  if (cause instanceof TableBusy || cause instanceof StoreBusy)
    return new RegistryError('UNAVAILABLE', { cause })
  return undefined
}
