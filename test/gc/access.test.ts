import { expect, it } from 'vitest'
import type { RepositoryName } from '../../lambda/protocol/name.ts'
import type { UploadId } from '../../lambda/protocol/reference.ts'
import { ACCESS_PARTITIONS, keys } from '../../lambda/store/keys.ts'
import type { Item, Key, KeyRange, Write } from '../../lambda/store/table.ts'
import { keyOf } from '../../lambda/store/table.ts'
import { MemoryBlobs } from '../support/memory-blobs.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { GRACE_PERIOD, openRegistry } from '../support/registry.ts'

/** Records the partitions that are read or written. */
class WatchedTable extends MemoryTable {
  readonly accessed = new Set<string>()

  override get<T extends Item>(key: Key): Promise<T | undefined> {
    this.accessed.add(key.partition)
    return super.get(key)
  }
  override getMany<T extends Item>(all: readonly Key[]): Promise<(T | undefined)[]> {
    for (const { partition } of all) this.accessed.add(partition)
    return super.getMany(all)
  }
  override query<T extends Item>(partition: string, range?: KeyRange): Promise<T[]> {
    this.accessed.add(partition)
    return super.query(partition, range)
  }
  override transact(...writes: readonly Write[]): Promise<void> {
    for (const write of writes) this.accessed.add(keyOf(write).partition)
    return super.transact(...writes)
  }
}

it('adoption and the collector access no accounts, tokens or policy, to which they have no permission on AWS', async () => {
  const [table, store] = [new WatchedTable(), new MemoryBlobs()]
  const registry = openRegistry({ table, store, direct: { readLimit: 100 } })
  const { digest } = await registry.pushImage('app', 'v1', ['layer'])
  await registry.beginUpload('app')
  const { headers } = await registry.request('POST', '/v2/app/blobs/uploads/')
  const session = { name: 'app' as RepositoryName, upload: headers['docker-upload-uuid'] as UploadId }
  store.write(session, 'written directly')
  await registry.expectStatus(202, 'DELETE', `/v2/app/manifests/${digest}`)
  table.accessed.clear()

  expect(await registry.directUploads.adopt(session)).toBe(true)
  for (let run = 0; run < 4; run++) {
    registry.wait(GRACE_PERIOD)
    expect((await registry.collector.run()).failures).toEqual([])
  }

  expect(table.all().filter(({ partition }) => partition !== 'repositories')).toEqual([])
  expect([...table.accessed].filter(partition => ACCESS_PARTITIONS.includes(partition))).toEqual([])
})

it.each([keys.account('ann'), keys.policy, keys.refresh('hash'), keys.failures('bucket')])(
  '%j is in a partition of accounts, tokens or the policy',
  key => {
    expect(ACCESS_PARTITIONS).toContain(key.partition)
  },
)
