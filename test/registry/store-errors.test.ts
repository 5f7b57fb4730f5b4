import { expect, it } from 'vitest'
import { explainStoreError } from '../../lambda/registry/store-errors.ts'
import { DraftBusy, ObjectMissing, StorageFull, StoreBusy } from '../../lambda/store/blobs.ts'
import { ConditionFailed, TableBusy } from '../../lambda/store/table.ts'

it.each([
  [new TableBusy(), 'UNAVAILABLE', 503],
  [new StoreBusy(), 'UNAVAILABLE', 503],
  [new StorageFull(), 'INSUFFICIENT_STORAGE', 507],
  [new ObjectMissing(), 'BLOB_UNKNOWN', 404],
])('%s becomes %s', (error, code, status) => {
  expect(explainStoreError(error)).toMatchObject({ code, status, cause: error })
})

it.each([new Error(), new ConditionFailed([0]), new DraftBusy(), 'text', undefined, null])(
  '%s is not explained to a client',
  error => {
    expect(explainStoreError(error)).toBeUndefined()
  },
)
