interface Limits {
  /** How long a result is cached, in milliseconds. */
  readonly ttl: number
  /** When the cache is full, the oldest entry is removed. */
  readonly maxEntries: number
  /** Returns whether to cache a rejection too. By default no rejection is cached. */
  readonly cachesError?: (error: unknown) => boolean
}

/** Caches the results of asynchronous calls by key, for a limited time. */
export class Cache<V> {
  readonly #ttl: number
  readonly #maxEntries: number
  readonly #clock: () => number
  readonly #cachesError: (error: unknown) => boolean
  readonly #entries = new Map<string, { readonly value: Promise<V>; readonly until: number }>()

  /** @param clock the current time in milliseconds */
  constructor(clock: () => number, { ttl, maxEntries, cachesError = () => false }: Limits) {
    this.#clock = clock
    this.#ttl = ttl
    this.#maxEntries = maxEntries
    this.#cachesError = cachesError
  }

  /** Returns the cached result if there is one, and computes nothing. */
  peek(key: string): Promise<V> | undefined {
    const entry = this.#entries.get(key)
    return entry && entry.until > this.#clock() ? entry.value : undefined
  }

  /** Returns the cached result, or calls `make` and caches its result. Concurrent calls share one call of `make`. */
  get(key: string, make: () => Promise<V>): Promise<V> {
    return this.peek(key) ?? this.refresh(key, make)
  }

  /** Calls `make` and caches its result in place of the cached one. */
  refresh(key: string, make: () => Promise<V>): Promise<V> {
    const value = make()
    this.#entries.delete(key)
    this.#entries.set(key, { value, until: this.#clock() + this.#ttl })
    value.catch(error => {
      if (!this.#cachesError(error) && this.#entries.get(key)?.value === value) this.#entries.delete(key)
    })
    const [oldest] = this.#entries.keys()
    if (this.#entries.size > this.#maxEntries && oldest !== undefined) this.#entries.delete(oldest)
    return value
  }

  forget(key: string): void {
    this.#entries.delete(key)
  }

  /** Removes the entries whose key begins with the prefix. */
  forgetPrefix(prefix: string): void {
    for (const key of this.#entries.keys()) if (key.startsWith(prefix)) this.#entries.delete(key)
  }

  clear(): void {
    this.#entries.clear()
  }
}
