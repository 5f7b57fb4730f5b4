import { randomBytes } from 'node:crypto'
import { existsSync, statSync, unlinkSync } from 'node:fs'
import { open, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'

/** Room for the database's log and for what a checkpoint adds to the database, in bytes. */
const SIZE = 8 * 1024 * 1024
/** The reserve is made while at least this much would be left beside it. */
const LEFT_BESIDE = SIZE
const PIECE = 1024 * 1024

/**
 * A file in the data folder that does nothing but occupy room, until the disk is full. Deleting and collecting write to the database
 * before they free anything, so without a reserve a full disk could not be emptied through the registry.
 */
export class Reserve {
  readonly #folder: string
  readonly #path: string
  readonly #report: (message: string) => void
  #isReleased = false

  /** @param report told, in one line, when the reserve is released */
  constructor(folder: string, report: (message: string) => void) {
    this.#folder = folder
    this.#path = join(folder, 'reserve')
    this.#report = report
  }

  /** Whether the room of the reserve is in use. It then belongs to deleting and collecting. */
  get isReleased(): boolean {
    return this.#isReleased
  }

  /** Frees the room of the reserve. @returns false when there is no reserve, now or from before */
  release(): boolean {
    if (this.#isReleased) return true
    if (!existsSync(this.#path)) return false
    unlinkSync(this.#path)
    this.#isReleased = true
    this.#report(
      'the disk is full: the reserve was released for deleting and collecting; pushes are refused until there is room again',
    )
    return true
  }

  /** Makes the reserve where there is none and enough room. It never fails: without a reserve the registry serves as well. */
  async restore(): Promise<void> {
    try {
      if (this.#isWhole()) return
      // Also after a restart: what little room there is belongs to deleting.
      this.#isReleased = !(await this.#hasRoom())
      if (!this.#isReleased) await this.#make()
    } catch {
      await rm(this.#path, { force: true }).catch(() => {})
    }
  }

  /** Whether the disk has no room that pushes could use. */
  async isDiskFull(): Promise<boolean> {
    return this.#isReleased || (await this.#free()) < PIECE
  }

  #isWhole(): boolean {
    return statSync(this.#path, { throwIfNoEntry: false })?.size === SIZE
  }

  async #hasRoom(): Promise<boolean> {
    return (await this.#free()) >= SIZE + LEFT_BESIDE
  }

  /** In bytes, for users other than root. */
  async #free(): Promise<number> {
    const { bavail, bsize } = await statfs(this.#folder)
    return bavail * bsize
  }

  /** Of random bytes: a file system that compresses would keep no room for zeros. */
  async #make(): Promise<void> {
    const file = await open(this.#path, 'w', 0o600)
    try {
      for (let at = 0; at < SIZE; at += PIECE) await file.writeFile(randomBytes(PIECE))
      await file.sync()
    } finally {
      await file.close()
    }
  }
}
