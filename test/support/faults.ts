/** What goes wrong in a store, and when. A test sets it, and takes it back. */
export interface Trouble {
  /** The error of the calls that fail; without one all is well. */
  error?: unknown
  /** How many calls go well before. */
  after?: number
  /** Fail when the work is done, as a connection does that breaks before the answer. */
  late?: boolean
  /** Fail once only. */
  once?: boolean
  /** How many calls there were. */
  calls: number
}

/** `store`, with each of these methods in trouble. They must be those that return promises. */
export function troubled<T extends object>(store: T, methods: readonly (keyof T)[], trouble: Trouble): T {
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      if (!methods.includes(name as keyof T)) return value.bind(target)
      return async (...parameters: unknown[]) => {
        const turn = trouble.calls++
        const { error, after = 0, late, once } = trouble
        const fails = error !== undefined && (once ? turn === after : turn >= after)
        if (!fails) return value.apply(target, parameters)
        if (late) await value.apply(target, parameters)
        throw error
      }
    },
  })
}
