import { afterAll } from 'vitest'
import { takePrintedOutput } from './printed-output.ts'
import { expectNoSecrets } from './secrets-in-logs.ts'

/**
 * Checks the output that code under test prints in the process of the tests, such as the records of a Lambda handler.
 */
afterAll(() => expectNoSecrets(takePrintedOutput()))
