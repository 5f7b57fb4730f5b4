import { type App, refuse } from '../lambda/http/app.ts'
import { RegistryError } from '../lambda/protocol/errors.ts'
import { StorageFull } from '../lambda/store/blobs.ts'
import type { Reserve } from './reserve.ts'
import { RunningPushes } from './running-pushes.ts'

/** What a run of the collector could not do. */
interface Collected {
  readonly failures: readonly unknown[]
}

/** Methods that store something under `/v2/`. */
const STORING = new Set(['POST', 'PATCH', 'PUT'])

/**
 * Keeps deletes and the collector working on a full disk. Both write before they free anything: when one of them finds
 * no room, it is repeated with the reserve released. From then until there is room again pushes are refused, those in
 * progress too, because they would use up the reserve.
 */
export class FullDisk {
  readonly #reserve: Reserve
  readonly #pushes = new RunningPushes()
  #releasing: Promise<boolean> | undefined

  constructor(reserve: Reserve) {
    this.#reserve = reserve
  }

  /** Wraps the app of a registry. A DELETE may be repeated, also after it has failed half way. */
  protect(app: App): App {
    return async request => {
      const { method, path } = request
      if (STORING.has(method) && path.startsWith('/v2/')) {
        if (!this.#refusesPushes) return this.#pushes.run(app, request)
        return refuse(new RegistryError('INSUFFICIENT_STORAGE'), method)
      }
      const handled = await app(request)
      const foundNoRoom = method === 'DELETE' && handled.code === 'INSUFFICIENT_STORAGE'
      return foundNoRoom && (await this.#release()) ? app(request) : handled
    }
  }

  /** Runs the collector, and restores the reserve once there is room. */
  async collect(collect: () => Promise<Collected>): Promise<Collected> {
    const first = await collect()
    const foundNoRoom = first.failures.some(failure => failure instanceof StorageFull)
    const last = foundNoRoom && (await this.#release()) ? await collect() : first
    await this.#reserve.restore()
    return last
  }

  get #refusesPushes(): boolean {
    return this.#reserve.isReleased || this.#releasing !== undefined
  }

  /** @returns false when there is no reserve */
  async #release(): Promise<boolean> {
    if (this.#reserve.isReleased) return true
    this.#releasing ??= this.#pushes
      .stop()
      .then(() => this.#reserve.release())
      .finally(() => {
        this.#releasing = undefined
      })
    return this.#releasing
  }
}
