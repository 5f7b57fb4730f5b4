import { afterAll } from 'vitest'
import { takePrinted } from './printed-output.ts'
import { expectNoSecrets } from './secrets-in-logs.ts'

/** Watches what the code under test prints in the process of the tests itself, such as the records of a Lambda handler. */
afterAll(() => expectNoSecrets(takePrinted()))
