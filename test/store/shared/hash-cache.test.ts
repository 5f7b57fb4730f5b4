import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { Draft } from '../../../lambda/store/blobs.ts'
import { HashCache } from '../../../lambda/store/shared/hash-cache.ts'

const draft = (object: string, size = 3): Draft => ({ object, size, algorithm: 'sha256', state: null })
const hash = () => createHash('sha256').update('abc')

describe('HashCache', () => {
  it('finds a hash by object, size and algorithm', () => {
    const hashes = new HashCache(10)
    hashes.keep(draft('a'), hash())

    expect(hashes.find(draft('a'), 'sha256')?.digest('hex')).toBe(hash().digest('hex'))
    expect(hashes.find(draft('b'), 'sha256')).toBeUndefined()
    expect(hashes.find(draft('a', 2), 'sha256')).toBeUndefined()
    expect(hashes.find(draft('a'), 'sha512')).toBeUndefined()
  })

  it('returns a copy, so an update does not change the cached hash', () => {
    const hashes = new HashCache(10)
    hashes.keep(draft('a'), hash())
    hashes.find(draft('a'), 'sha256')?.update('more').digest()

    expect(hashes.find(draft('a'), 'sha256')?.digest('hex')).toBe(hash().digest('hex'))
  })

  it('keeps one hash for each object: the newest', () => {
    const hashes = new HashCache(10)
    hashes.keep(draft('a', 5), hash())
    hashes.keep(draft('a', 3), hash())

    expect(hashes.find(draft('a', 5), 'sha256')).toBeUndefined()
  })

  it('removes the least recently used drafts when it is full', () => {
    const hashes = new HashCache(2)
    hashes.keep(draft('abandoned'), hash())
    hashes.keep(draft('used'), hash())
    hashes.keep(draft('new'), hash())
    hashes.find(draft('used'), 'sha256')
    hashes.keep(draft('newer'), hash())

    const kept = ['abandoned', 'used', 'new', 'newer'].filter(name => hashes.find(draft(name), 'sha256'))
    expect(kept).toEqual(['used', 'newer'])
  })

  it('does not find a forgotten hash', () => {
    const hashes = new HashCache(10)
    hashes.keep(draft('a'), hash())
    hashes.forget('a')

    expect(hashes.find(draft('a'), 'sha256')).toBeUndefined()
  })
})
