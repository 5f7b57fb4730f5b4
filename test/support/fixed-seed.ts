import fc from 'fast-check'
import { runs } from './property-runs.ts'

/** The seed of `npm test`, so that every machine generates the same values. `npm run test:random` sets a random one. */
const FIXED_SEED = 20_260_101

fc.configureGlobal({ seed: Number(process.env.FC_SEED ?? FIXED_SEED), numRuns: runs(100) })
