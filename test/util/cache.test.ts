import { expect, it } from 'vitest'
import { Cache } from '../../lambda/util/cache.ts'

it('remembers no more than it is told to, and of that the newest', async () => {
  let made = 0
  const cache = new Cache<number>(() => 0, { ttl: 1, maxEntries: 2 })
  const ask = (key: string) => cache.get(key, async () => ++made)
  for (const key of ['a', 'b', 'c']) await ask(key)
  expect([await ask('c'), await ask('b'), await ask('a')]).toEqual([3, 2, 4])
})
