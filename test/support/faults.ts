/** Describes which calls of a store fail. Tests change it while the store is used. */
export interface Fault {
  /** The error of the calls that fail. Without it no call fails. */
  error?: unknown
  /** The number of calls that succeed before. */
  after?: number
  /** Fail after the work is done, as when a connection is lost before the response. */
  late?: boolean
  /** Fail only once. */
  once?: boolean
  /** The number of calls so far. */
  calls: number
}

/** A store in which calls of these methods fail as the fault describes. The methods must return promises. */
export function withFault<T extends object>(store: T, methods: readonly (keyof T)[], fault: Fault): T {
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      if (!methods.includes(name as keyof T)) return value.bind(target)
      return async (...parameters: unknown[]) => {
        const earlierCalls = fault.calls++
        const { error, after = 0, late, once } = fault
        const fails = error !== undefined && (once ? earlierCalls === after : earlierCalls >= after)
        if (!fails) return value.apply(target, parameters)
        if (late) await value.apply(target, parameters)
        throw error
      }
    },
  })
}
