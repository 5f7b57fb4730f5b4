import { describe, expect, it } from 'vitest'
import { isEdgeHeader, SecretCache, type Secrets } from '../../lambda/aws/secrets.ts'

const MINUTE = 60_000
const HEADER = 'the value of the edge header'
const secretsOf = (key: string): Secrets => ({ edgeKeys: [key], tokenKeys: ['t'], header: HEADER })

describe('SecretCache', () => {
  it('reads the secrets once for concurrent callers', async () => {
    let fetched = 0
    const cache = new SecretCache(async () => secretsOf(`key ${++fetched}`))
    await Promise.all([cache.current(), cache.current()])

    expect(await cache.current()).toEqual(secretsOf('key 1'))
  })

  it('reads the secrets again after five minutes, because keys are rotated', async () => {
    let now = 0
    let fetched = 0
    const cache = new SecretCache(
      async () => secretsOf(`key ${++fetched}`),
      () => now,
    )
    await cache.current()
    now = 4.9 * MINUTE
    expect(await cache.current()).toEqual(secretsOf('key 1'))
    now = 5 * MINUTE
    expect(await cache.current()).toEqual(secretsOf('key 2'))
  })

  it('returns the cached secrets while SSM is down', async () => {
    let now = 0
    let down = false
    const fetch = async () => {
      if (down) throw new Error('SSM is down')
      return secretsOf('key')
    }
    const cache = new SecretCache(fetch, () => now)
    await cache.current()
    now = 6 * MINUTE
    down = true

    expect(await cache.current()).toEqual(secretsOf('key'))
  })

  it('waits 30 seconds between reads while SSM is down, so that requests are not delayed', async () => {
    let now = 0
    let reads = 0
    const fetch = async () => {
      if (++reads > 1) throw new Error('SSM is down')
      return secretsOf('key')
    }
    const cache = new SecretCache(fetch, () => now)
    await cache.current()
    now = 6 * MINUTE
    await cache.current()
    await cache.current()
    expect(reads).toBe(2)
    now = 6.5 * MINUTE
    await cache.current()
    expect(reads).toBe(3)
  })

  it('reads again for the next caller when the first read failed', async () => {
    let reads = 0
    const cache = new SecretCache(async () => {
      if (++reads === 1) throw new Error('SSM is down')
      return secretsOf('key')
    })

    await expect(cache.current()).rejects.toThrow('SSM is down')
    expect(await cache.current()).toEqual(secretsOf('key'))
  })
})

describe('isEdgeHeader', () => {
  it('accepts the value of the edge header', () => {
    expect(isEdgeHeader(HEADER, secretsOf('key'))).toBe(true)
  })

  it.each([undefined, '', HEADER.slice(1), `${HEADER}x`, HEADER.toUpperCase(), `${HEADER}, ${HEADER}`])(
    'rejects %j',
    value => {
      expect(isEdgeHeader(value, secretsOf('key'))).toBe(false)
    },
  )
})
