import type { FindLogin } from '../../lambda/client/registry/authorization.ts'
import { Registry } from '../../lambda/client/registry/registry.ts'

interface TestRegistryOptions {
  readonly findLogin?: FindLogin
  readonly clock?: () => number
  /** Receives the pauses before repeated requests, in milliseconds. */
  readonly pauses?: number[]
}

/** A client of a registry that logs in as told, and waits for nothing. */
export function clientOf(
  host: string,
  { findLogin = async () => undefined, clock = Date.now, pauses = [] }: TestRegistryOptions = {},
): Registry {
  return new Registry({
    origin: /^https?:/.test(host) ? host : `http://${host}`,
    name: host,
    userAgent: 'longshore/test',
    findLogin,
    clock,
    pause: async milliseconds => {
      pauses.push(milliseconds)
    },
  })
}
