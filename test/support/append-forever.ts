/**
 * A program that appends to a draft until it is killed. It prints each acknowledged draft as a line of JSON. Its
 * arguments are the folder of the store, the first draft, and the number of appends. After the last append it commits
 * the draft, prints `committed` and waits to be killed.
 */
import { setTimeout as wait } from 'node:timers/promises'
import type { Draft } from '../../lambda/store/blobs.ts'
import { FileBlobs } from '../../lambda/store/files/blobs.ts'
import { bytesOf, patternBytes } from './bytes.ts'

const [root = '', firstDraft = '', rounds = ''] = process.argv.slice(2)
const store = await FileBlobs.open(root)
let draft: Draft = JSON.parse(firstDraft)
for (let round = 0; round < Number(rounds); round++) {
  // The seed is the offset, so that a test can compute the bytes from the sizes.
  draft = await store.append(
    draft,
    bytesOf(patternBytes(100_000, draft.size), patternBytes(2_000_000, draft.size + 1)),
  )
  process.stdout.write(`${JSON.stringify(draft)}\n`)
}
await store.commit(draft)
process.stdout.write('committed\n')
await wait(60_000)
