import { randomBytes } from 'node:crypto'
import { existsSync, statSync, unlinkSync } from 'node:fs'
import { open, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'

/** Room for the database's write-ahead log and for what a checkpoint adds to the database, in bytes. */
const SIZE = 8 * 1024 * 1024
/** The reserve is created when this much would still be free beside it, in bytes. */
const MIN_FREE_BESIDE = SIZE
const CHUNK_SIZE = 1024 * 1024

/**
 * A file in the data folder that only occupies room. It is deleted when the disk is full: deletes and the collector
 * write to the database before they free anything, so without a reserve they could not free a full disk.
 */
export class Reserve {
  readonly #folder: string
  readonly #path: string
  readonly #report: (message: string) => void
  #isReleased = false

  /** @param report receives a message for the log when the reserve is released */
  constructor(folder: string, report: (message: string) => void) {
    this.#folder = folder
    this.#path = join(folder, 'reserve')
    this.#report = report
  }

  /** Whether the reserve is released. Its room is then for deletes and the collector only. */
  get isReleased(): boolean {
    return this.#isReleased
  }

  /** Frees the room of the reserve. @returns false when there is no reserve to release and none has been released */
  release(): boolean {
    if (this.#isReleased) return true
    if (!existsSync(this.#path)) return false
    unlinkSync(this.#path)
    this.#isReleased = true
    this.#report(
      'the disk is full: the reserve was released for deletes and garbage collection; pushes are refused until there is room again',
    )
    return true
  }

  /**
   * Creates the reserve if it is missing and there is enough room. It never fails, because the registry can serve
   * without a reserve.
   */
  async restore(): Promise<void> {
    try {
      if (this.#exists()) return
      // Also after a restart: too little room for a reserve is kept for deletes and the collector.
      this.#isReleased = !(await this.#hasRoom())
      if (!this.#isReleased) await this.#create()
    } catch {
      await rm(this.#path, { force: true }).catch(() => {})
    }
  }

  /** Whether the disk has no room for pushes. */
  async isDiskFull(): Promise<boolean> {
    return this.#isReleased || (await this.#freeBytes()) < CHUNK_SIZE
  }

  #exists(): boolean {
    return statSync(this.#path, { throwIfNoEntry: false })?.size === SIZE
  }

  async #hasRoom(): Promise<boolean> {
    return (await this.#freeBytes()) >= SIZE + MIN_FREE_BESIDE
  }

  /** Free bytes of the disk for users other than root. */
  async #freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.#folder)
    return bavail * bsize
  }

  /** Writes random bytes, because a file system with compression would reserve no room for zeros. */
  async #create(): Promise<void> {
    const file = await open(this.#path, 'w', 0o600)
    try {
      for (let at = 0; at < SIZE; at += CHUNK_SIZE) await file.writeFile(randomBytes(CHUNK_SIZE))
      await file.sync()
    } finally {
      await file.close()
    }
  }
}
