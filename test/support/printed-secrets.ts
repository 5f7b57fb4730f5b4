import { afterAll } from 'vitest'
import { expectNoSecrets } from './secrets-in-logs.ts'

/** Watches what the code under test prints in the process of the tests itself, such as the records of a Lambda handler. */
let printed = ''
for (const stream of [process.stdout, process.stderr]) {
  const write = stream.write.bind(stream) as (...words: unknown[]) => boolean
  stream.write = ((...words: unknown[]) => {
    printed += words[0]
    return write(...words)
  }) as typeof stream.write
}

afterAll(() => expectNoSecrets(printed))
