interface Limits {
  /** Milliseconds. */
  readonly ttl: number
  readonly maxEntries: number
  /** Which rejections to cache too. Absent: none. */
  readonly cachesError?: (error: unknown) => boolean
}

/** Caches the newest results for a limited time. */
export class Cache<V> {
  readonly #ttl: number
  readonly #maxEntries: number
  readonly #clock: () => number
  readonly #cachesError: (error: unknown) => boolean
  readonly #entries = new Map<string, { readonly value: Promise<V>; readonly until: number }>()

  constructor(clock: () => number, { ttl, maxEntries, cachesError = () => false }: Limits) {
    this.#clock = clock
    this.#ttl = ttl
    this.#maxEntries = maxEntries
    this.#cachesError = cachesError
  }

  /** The cached result, if there is one. */
  known(key: string): Promise<V> | undefined {
    const entry = this.#entries.get(key)
    return entry && entry.until > this.#clock() ? entry.value : undefined
  }

  /** The cached result, or else that of `make`. Concurrent calls share one call of `make`. */
  get(key: string, make: () => Promise<V>): Promise<V> {
    return this.known(key) ?? this.refresh(key, make)
  }

  /** Calls `make` and caches its result. */
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

  /** Forgets the entries whose key begins with this. */
  forgetPrefix(prefix: string): void {
    for (const key of this.#entries.keys()) if (key.startsWith(prefix)) this.#entries.delete(key)
  }

  clear(): void {
    this.#entries.clear()
  }
}
