import { describe, expect, it } from 'vitest'
import { Cache } from '../../lambda/util/cache.ts'

describe('Cache', () => {
  it('removes the oldest entry when it is full', async () => {
    let calls = 0
    const cache = new Cache<number>(() => 0, { ttl: 1, maxEntries: 2 })
    const get = (key: string) => cache.get(key, async () => ++calls)

    for (const key of ['a', 'b', 'c']) await get(key)

    expect([await get('c'), await get('b'), await get('a')]).toEqual([3, 2, 4])
  })
})
