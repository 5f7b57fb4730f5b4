interface Limits {
  /** Milliseconds. */
  readonly life: number
  /** Entries. */
  readonly most: number
  /** Which rejections to cache too. Absent: none. */
  readonly keeps?: (error: unknown) => boolean
}

/** Caches the newest results for a limited time. */
export class Cache<V> {
  readonly #life: number
  readonly #most: number
  readonly #clock: () => number
  readonly #keeps: (error: unknown) => boolean
  readonly #entries = new Map<string, { readonly value: Promise<V>; readonly until: number }>()

  constructor(clock: () => number, { life, most, keeps = () => false }: Limits) {
    this.#clock = clock
    this.#life = life
    this.#most = most
    this.#keeps = keeps
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
    this.#entries.set(key, { value, until: this.#clock() + this.#life })
    value.catch(error => {
      if (!this.#keeps(error) && this.#entries.get(key)?.value === value) this.#entries.delete(key)
    })
    const [oldest] = this.#entries.keys()
    if (this.#entries.size > this.#most && oldest !== undefined) this.#entries.delete(oldest)
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
