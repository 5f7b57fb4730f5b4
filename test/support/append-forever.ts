/**
 * Appends to a draft until it is killed, and prints each draft that was acknowledged: a line of JSON each. Its
 * arguments are the store's folder and the draft to begin with. After `rounds` appends it commits, prints `committed`
 * and waits for its end.
 */
import { setTimeout as wait } from 'node:timers/promises'
import type { Draft } from '../../lambda/store/blobs.ts'
import { FileBlobs } from '../../lambda/store/files/blobs.ts'
import { bytesOf, patternBytes } from './bytes.ts'

const [root = '', begun = '', rounds = ''] = process.argv.slice(2)
const store = await FileBlobs.open(root)
let draft: Draft = JSON.parse(begun)
for (let round = 0; round < Number(rounds); round++) {
  // The seed is the place, so that whoever knows the sizes knows the bytes.
  draft = await store.append(
    draft,
    bytesOf(patternBytes(100_000, draft.size), patternBytes(2_000_000, draft.size + 1)),
  )
  process.stdout.write(`${JSON.stringify(draft)}\n`)
}
await store.commit(draft)
process.stdout.write('committed\n')
await wait(60_000)
