import { DraftBusy, type ObjectName } from '../blobs.ts'

/** The state of a call that writes a draft in this process. */
interface Work {
  discarded: boolean
}

/** Allows one call at a time to write an object in this process, and keeps a discarded object discarded. */
export class WriteLock {
  readonly #working = new Map<ObjectName, Work>()

  /**
   * Runs the work while no other call writes the object. If the object is discarded meanwhile, what the work wrote is removed.
   * @throws {DraftBusy} when another call writes the object, or the object was discarded during the work
   */
  async alone<T>(object: ObjectName, work: () => Promise<T>, remove: () => Promise<void>): Promise<T> {
    if (this.#working.has(object)) throw new DraftBusy(object)
    const mine: Work = { discarded: false }
    this.#working.set(object, mine)
    try {
      const result = await work()
      if (mine.discarded) throw new DraftBusy(`${object} was discarded`)
      return result
    } finally {
      if (mine.discarded) await remove()
      this.#working.delete(object)
    }
  }

  /** Makes the call that writes the object fail, if there is one. */
  discard(object: ObjectName): void {
    const work = this.#working.get(object)
    if (work) work.discarded = true
  }
}
