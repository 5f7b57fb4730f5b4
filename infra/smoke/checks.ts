import type { Check } from './bench.ts'
import { ANSWERS } from './checks/answers.ts'
import { DIRECT_ROAD } from './checks/direct-road.ts'
import { STREAMS } from './checks/streams.ts'

/** What the design leans on and no document of AWS says, in the order in which it is best understood. */
export const CHECKS: readonly Check[] = [...ANSWERS, ...DIRECT_ROAD, ...STREAMS]
