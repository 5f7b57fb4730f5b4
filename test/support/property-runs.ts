/** Factor for the runs of each property, from `FC_RUNS`. The default is 1. */
const FACTOR = Number(process.env.FC_RUNS ?? 1)

/** Returns the value of `numRuns` for a property. @param usual its runs in `npm test` */
export function runs(usual: number): number {
  return usual * FACTOR
}
