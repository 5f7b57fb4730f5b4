import { Ec2Error, type InstanceState } from '../../../lambda/aws/relay/ec2.ts'
import { RelayKeeper } from '../../../lambda/aws/relay/keeper.ts'
import { RelayTable } from '../../../lambda/aws/relay/relay-table.ts'
import { RelayWaker } from '../../../lambda/aws/relay/waker.ts'
import type { Table } from '../../../lambda/store/table.ts'
import { MemoryTable } from '../../support/memory-table.ts'

export const INSTANCE = 'i-0123456789abcdef0'
export const SECOND = 1000
export const MINUTE = 60 * SECOND

/** One instance of EC2 on a clock of the test's own, with the relay that it boots. Times are milliseconds. */
export class RelayWorld {
  now = 1_000_000
  state: InstanceState = 'stopped'
  /** From StartInstances to the first renewal. */
  boot = 20 * SECOND
  /** From the power-off to `stopped`. EC2 reports `running` for the first half. */
  shutdown = 20 * SECOND
  /** Error codes of the next calls of StartInstances. */
  readonly refusals: string[] = []
  starts = 0
  readonly rows: RelayTable
  keeper: RelayKeeper
  readonly #events: { at: number; run: () => unknown }[] = []

  constructor(table: Table = new MemoryTable()) {
    this.rows = new RelayTable(table, INSTANCE)
    this.keeper = this.#newKeeper()
  }

  readonly ec2 = {
    start: async (): Promise<InstanceState> => {
      const refusal = this.refusals.shift()
      if (refusal !== undefined) throw new Ec2Error('StartInstances', 400, refusal)
      this.starts++
      const previous = this.state
      if (previous === 'stopping') throw new Ec2Error('StartInstances', 400, 'IncorrectInstanceState')
      if (previous === 'stopped') {
        this.state = 'running'
        this.after(this.boot, () => this.#serve())
      }
      return previous
    },
    stop: async (): Promise<void> => this.powerOff(),
    state: async (): Promise<InstanceState> => this.state,
  }

  waker(): RelayWaker {
    const pause = (milliseconds: number) => this.pass(milliseconds)
    return new RelayWaker({ rows: this.rows, ec2: this.ec2, clock: () => this.now, pause })
  }

  powerOff(): void {
    this.#events.splice(0)
    this.after(this.shutdown / 2, () => {
      this.state = 'stopping'
    })
    this.after(this.shutdown, () => {
      this.state = 'stopped'
    })
  }

  /** The relay's process ends; the instance stays. */
  crash(): void {
    this.#events.splice(0)
  }

  after(milliseconds: number, run: () => unknown): void {
    this.#events.push({ at: this.now + milliseconds, run })
  }

  /** Lets time pass, with everything that happens in it. */
  async pass(milliseconds: number): Promise<void> {
    const until = this.now + milliseconds
    for (;;) {
      const [next] = this.#events.filter(({ at }) => at <= until).toSorted((a, b) => a.at - b.at)
      if (!next) break
      this.#events.splice(this.#events.indexOf(next), 1)
      this.now = Math.max(this.now, next.at)
      await next.run()
    }
    this.now = Math.max(this.now, until)
  }

  async #serve(): Promise<void> {
    this.keeper = this.#newKeeper()
    await this.#renew()
  }

  async #renew(): Promise<void> {
    await this.keeper.renew()
    this.after(20 * SECOND, () => this.#renew())
  }

  #newKeeper(): RelayKeeper {
    return new RelayKeeper({ rows: this.rows, clock: () => this.now, idleMs: 15 * MINUTE })
  }
}
