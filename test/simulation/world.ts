import { Collector } from '../../lambda/gc/collector.ts'
import type { Dependencies } from '../../lambda/registry/dependencies.ts'
import { createRegistry, type Registry } from '../../lambda/registry/registry.ts'
import { MemoryBlobs } from '../support/memory-blobs.ts'
import { MemoryTable } from '../support/memory-table.ts'

export const HOUR = 60 * 60 * 1000
export const GRACE_PERIOD = 24 * HOUR

/** Delays a call of a port until the scheduler allows it. */
export type Gate = (call: string) => Promise<void>

/** One process of the registry. Processes share only the table, the blob store and the time. */
export interface Process {
  readonly registry: Registry
  readonly collector: Collector
}

/** What the processes share: a table, a blob store and the time. Only calls of the ports and the clock change it. */
export class World {
  readonly table = new MemoryTable()
  readonly store = new MemoryBlobs()
  now = 1_000 * GRACE_PERIOD
  #ids = 0

  /** Starts a process whose every call of a port waits at the gate, where calls of other processes may overtake it. */
  start(gate: Gate): Process {
    const deps: Dependencies = {
      table: gated(this.table, gate),
      store: gated(this.store, gate),
      clock: () => this.now,
      newId: () => this.#newId(),
      gracePeriod: GRACE_PERIOD,
      uploadLifetime: GRACE_PERIOD,
      directUploads: { readLimit: 0 },
    }
    const registry = createRegistry(deps)
    return { registry, collector: new Collector(deps, registry) }
  }

  /** Ids that are the same when a failed run is repeated. Their first digit varies, as that of random ids. */
  #newId(): string {
    const n = ++this.#ids
    return `${((n * 7) % 16).toString(16)}0000000-0000-4000-8000-${String(n).padStart(12, '0')}`
  }
}

const WAITING = new Set([
  'get',
  'getMany',
  'query',
  'transact',
  'append',
  'digest',
  'commit',
  'discard',
  'read',
  'stat',
  'restore',
  'findUploaded',
  'delete',
])

function gated<T extends object>(port: T, gate: Gate): T {
  return new Proxy(port, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      if (!WAITING.has(String(name))) return member.bind(target)
      return async (...args: unknown[]) => {
        await gate(String(name))
        return member.apply(target, args)
      }
    },
  })
}
