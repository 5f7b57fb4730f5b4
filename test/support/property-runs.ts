/** How many times as many runs of each property: `FC_RUNS`, 1 unless set. */
const FACTOR = Number(process.env.FC_RUNS ?? 1)

/** @param usual runs of a property in `npm test`, for `numRuns` */
export function runs(usual: number): number {
  return usual * FACTOR
}
