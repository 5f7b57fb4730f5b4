/** Which repositories a listing is of. */
export interface RepositoryFilter {
  includes(repository: string): boolean
  /** What all of their names begin with; undefined where there can be none. */
  readonly prefix: string | undefined
  /** How many patterns one call of `includes` compares at most. */
  readonly comparisons: number
}

export const EVERY_REPOSITORY: RepositoryFilter = { includes: () => true, prefix: '', comparisons: 0 }
