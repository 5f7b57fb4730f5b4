import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { Draft } from '../../../lambda/store/blobs.ts'
import { HashCache } from '../../../lambda/store/shared/hash-cache.ts'

const draft = (object: string, size = 3): Draft => ({ object, size, algorithm: 'sha256', state: null })
const hash = () => createHash('sha256').update('abc')

describe('the hashes of open drafts', () => {
  it('are found by object, size and algorithm together', () => {
    const hashes = new HashCache(10)
    hashes.keep(draft('a'), hash())

    expect(hashes.find(draft('a'), 'sha256')?.digest('hex')).toBe(hash().digest('hex'))
    expect(hashes.find(draft('b'), 'sha256')).toBeUndefined()
    expect(hashes.find(draft('a', 2), 'sha256')).toBeUndefined()
    expect(hashes.find(draft('a'), 'sha512')).toBeUndefined()
  })

  it('are not changed by what the finder does with one', () => {
    const hashes = new HashCache(10)
    hashes.keep(draft('a'), hash())
    hashes.find(draft('a'), 'sha256')?.update('more').digest()

    expect(hashes.find(draft('a'), 'sha256')?.digest('hex')).toBe(hash().digest('hex'))
  })

  it('are one for each object: a newer one takes the place of the older', () => {
    const hashes = new HashCache(10)
    hashes.keep(draft('a', 5), hash())
    hashes.keep(draft('a', 3), hash())

    expect(hashes.find(draft('a', 5), 'sha256')).toBeUndefined()
  })

  it('are bounded: abandoned drafts make room for those used last', () => {
    const hashes = new HashCache(2)
    hashes.keep(draft('abandoned'), hash())
    hashes.keep(draft('used'), hash())
    hashes.keep(draft('new'), hash())
    hashes.find(draft('used'), 'sha256')
    hashes.keep(draft('newer'), hash())

    const kept = ['abandoned', 'used', 'new', 'newer'].filter(name => hashes.find(draft(name), 'sha256'))
    expect(kept).toEqual(['used', 'newer'])
  })

  it('are gone once forgotten', () => {
    const hashes = new HashCache(10)
    hashes.keep(draft('a'), hash())
    hashes.forget('a')

    expect(hashes.find(draft('a'), 'sha256')).toBeUndefined()
  })
})
