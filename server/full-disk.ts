import { type App, errorResponse } from '../lambda/http/app.ts'
import { RegistryError } from '../lambda/protocol/errors.ts'
import { StorageFull } from '../lambda/store/blobs.ts'
import type { Reserve } from './reserve.ts'

/** What a run of the collector could not do. */
interface Collected {
  readonly failures: readonly unknown[]
}

/** Methods that store something under `/v2/`. */
const STORING = new Set(['POST', 'PATCH', 'PUT'])

/**
 * The app of a registry whose disk may be full. A DELETE that finds no room is repeated with the reserve released; each DELETE may be
 * repeated, also after it has failed half way. While the reserve is released, pushes are refused: they would use up what deleting needs.
 */
export function withReserve(app: App, reserve: Reserve): App {
  return async request => {
    const { method, path } = request
    if (reserve.isReleased && STORING.has(method) && path.startsWith('/v2/')) {
      const error = new RegistryError('INSUFFICIENT_STORAGE')
      return { response: errorResponse(error, method), code: error.code }
    }
    const exchange = await app(request)
    const foundNoRoom = method === 'DELETE' && exchange.code === 'INSUFFICIENT_STORAGE'
    return foundNoRoom && reserve.release() ? app(request) : exchange
  }
}

/** A run of the collector, repeated with the reserve released when it found no room. Makes the reserve anew once there is room. */
export async function collectWithReserve(
  collect: () => Promise<Collected>,
  reserve: Reserve,
): Promise<Collected> {
  const first = await collect()
  const foundNoRoom = first.failures.some(failure => failure instanceof StorageFull)
  const last = foundNoRoom && reserve.release() ? await collect() : first
  await reserve.restore()
  return last
}
