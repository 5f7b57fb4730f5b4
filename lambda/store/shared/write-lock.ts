import { DraftBusy, type ObjectName } from '../blobs.ts'

/** A call that holds the lock of an object. */
interface Holder {
  discarded: boolean
}

/**
 * One lock for each object: allows one call at a time to write the object in this process, and keeps a discarded object
 * discarded.
 */
export class WriteLock {
  readonly #holders = new Map<ObjectName, Holder>()

  /**
   * Runs the work while no other call writes the object.
   * @param remove deletes what the work wrote; called if the object was discarded during the work
   * @throws {DraftBusy} when another call writes the object, or the object was discarded during the work
   */
  async withLock<T>(object: ObjectName, work: () => Promise<T>, remove: () => Promise<void>): Promise<T> {
    if (this.#holders.has(object)) throw new DraftBusy(`another call in this process writes ${object}`)
    const holder: Holder = { discarded: false }
    this.#holders.set(object, holder)
    try {
      const result = await work()
      if (holder.discarded) throw new DraftBusy(`${object} was discarded`)
      return result
    } finally {
      if (holder.discarded) await remove()
      this.#holders.delete(object)
    }
  }

  /** Makes the call that holds the lock fail, if there is one. */
  discard(object: ObjectName): void {
    const holder = this.#holders.get(object)
    if (holder) holder.discarded = true
  }
}
