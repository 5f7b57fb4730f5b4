/** Selects the repositories that a listing contains. */
export interface RepositoryFilter {
  includes(repository: string): boolean
  /**
   * The name of every selected repository begins with one of these. Sorted; no prefix begins with another one. Empty if
   * the filter selects nothing.
   */
  readonly prefixes: readonly string[]
  /** The maximum number of patterns that one call of `includes` compares. */
  readonly comparisons: number
}

export const EVERY_REPOSITORY: RepositoryFilter = { includes: () => true, prefixes: [''], comparisons: 0 }
