/** Selects the repositories that a listing contains. */
export interface RepositoryFilter {
  includes(repository: string): boolean
  /** The prefix that the names of all selected repositories share; undefined if the filter selects none. */
  readonly prefix: string | undefined
  /** The maximum number of patterns that one call of `includes` compares. */
  readonly comparisons: number
}

export const EVERY_REPOSITORY: RepositoryFilter = { includes: () => true, prefix: '', comparisons: 0 }
