import { ConditionFailed, type Table, type Write } from '../../store/table.ts'
import { initialRow, RELAY_KEY, type RelayChange, type RelayRow } from './relay-row.ts'

/** Reads and changes the row of one instance. */
export class RelayTable {
  readonly instance: string
  readonly #table: Table

  constructor(table: Table, instance: string) {
    this.#table = table
    this.instance = instance
  }

  /** The row; the initial one when there is none, or only that of an instance which was replaced. Its version counts on. */
  async read(): Promise<RelayRow> {
    const row = await this.#table.get<RelayRow>(RELAY_KEY)
    const { instance } = this
    if (row?.instance === instance) return row
    return { ...initialRow(instance), version: row?.version ?? 0 }
  }

  /**
   * Changes the row unless it has changed since it was read.
   * @returns the row as written; `undefined` when another process was faster
   */
  async change(row: RelayRow, change: Partial<RelayChange>): Promise<RelayRow | undefined> {
    const changed = { ...row, ...change, version: row.version + 1 }
    const condition = row.version === 0 ? ('absent' as const) : { version: row.version }
    return (await this.#succeeds({ put: changed, if: condition })) ? changed : undefined
  }

  /** Extends `readyUntil` without a new version, so that it never makes a request's change fail. @returns whether it is still `ready` */
  renew(readyUntil: number): Promise<boolean> {
    const condition = { instance: this.instance, state: 'ready' }
    return this.#succeeds({ update: RELAY_KEY, change: { set: { readyUntil } }, if: condition })
  }

  async #succeeds(write: Write): Promise<boolean> {
    try {
      await this.#table.transact(write)
      return true
    } catch (error) {
      if (error instanceof ConditionFailed) return false
      throw error
    }
  }
}
