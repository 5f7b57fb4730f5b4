interface Limits {
  /** Milliseconds. */
  readonly life: number
  /** Entries. */
  readonly most: number
  /** Which failures are answers too. Absent: none. */
  readonly keeps?: (error: unknown) => boolean
}

/** Remembers answers for a time, the newest of them. */
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

  /** What is remembered, if anything. */
  known(key: string): Promise<V> | undefined {
    const entry = this.#entries.get(key)
    return entry && entry.until > this.#clock() ? entry.value : undefined
  }

  /** What is remembered, or else what `make` gives. Whoever asks meanwhile waits for the same. */
  get(key: string, make: () => Promise<V>): Promise<V> {
    return this.known(key) ?? this.refresh(key, make)
  }

  /** What `make` gives now, remembered from now on. */
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

  /** Forgets everything. */
  clear(): void {
    this.#entries.clear()
  }
}
