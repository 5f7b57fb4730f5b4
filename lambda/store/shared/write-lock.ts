import { DraftBusy, type ObjectName } from '../blobs.ts'

/** What goes on with a draft in this process. */
interface Work {
  discarded: boolean
}

/** Sees to it that in this process one call at a time writes an object, and that what was discarded stays so. */
export class WriteLock {
  readonly #working = new Map<ObjectName, Work>()

  /**
   * Does the work alone. When the object was discarded meanwhile, what the work left behind is removed.
   * @throws {DraftBusy} when somebody is at work already, or the object was discarded during the work
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

  /** Tells who is at work on the object that it is in vain. */
  discard(object: ObjectName): void {
    const work = this.#working.get(object)
    if (work) work.discarded = true
  }
}
