/** Remembers answers for a time, the newest of them. */
export class Cache<V> {
  readonly #life: number
  readonly #most: number
  readonly #clock: () => number
  readonly #entries = new Map<string, { readonly value: Promise<V>; readonly until: number }>()

  /** @param life milliseconds @param most entries at most */
  constructor(clock: () => number, { life, most }: { readonly life: number; readonly most: number }) {
    this.#clock = clock
    this.#life = life
    this.#most = most
  }

  /** What is remembered, or else what `make` gives. Whoever asks meanwhile waits for the same; a failure is not kept. */
  get(key: string, make: () => Promise<V>): Promise<V> {
    const known = this.#entries.get(key)
    if (known && known.until > this.#clock()) return known.value
    const value = make()
    this.#entries.delete(key)
    this.#entries.set(key, { value, until: this.#clock() + this.#life })
    value.catch(() => this.#entries.delete(key))
    const [oldest] = this.#entries.keys()
    if (this.#entries.size > this.#most && oldest !== undefined) this.#entries.delete(oldest)
    return value
  }
}
