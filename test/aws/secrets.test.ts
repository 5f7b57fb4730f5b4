import { describe, expect, it } from 'vitest'
import { isEdgeHeader, SecretCache, type Secrets } from '../../lambda/aws/secrets.ts'

const MINUTE = 60_000
const HEADER = 'what only the edge can say'
const secretsOf = (key: string): Secrets => ({ edgeKeys: [key], tokenKeys: ['t'], header: HEADER })

describe('the secrets of a process', () => {
  it('are fetched once for all who ask at once', async () => {
    let fetched = 0
    const keeper = new SecretCache(async () => secretsOf(`key ${++fetched}`))
    await Promise.all([keeper.current(), keeper.current()])

    expect(await keeper.current()).toEqual(secretsOf('key 1'))
  })

  it('are fetched again after five minutes, because keys are rotated', async () => {
    let now = 0
    let fetched = 0
    const keeper = new SecretCache(
      async () => secretsOf(`key ${++fetched}`),
      () => now,
    )
    await keeper.current()
    now = 4.9 * MINUTE
    expect(await keeper.current()).toEqual(secretsOf('key 1'))
    now = 5 * MINUTE
    expect(await keeper.current()).toEqual(secretsOf('key 2'))
  })

  it('are the old ones while no newer can be had', async () => {
    let now = 0
    let down = false
    const fetch = async () => {
      if (down) throw new Error('SSM is down')
      return secretsOf('key')
    }
    const keeper = new SecretCache(fetch, () => now)
    await keeper.current()
    now = 6 * MINUTE
    down = true

    expect(await keeper.current()).toEqual(secretsOf('key'))
  })

  it('are not asked for by every request while no newer can be had, which would hold all of them up', async () => {
    let now = 0
    let asked = 0
    const fetch = async () => {
      if (++asked > 1) throw new Error('SSM is down')
      return secretsOf('key')
    }
    const keeper = new SecretCache(fetch, () => now)
    await keeper.current()
    now = 6 * MINUTE
    await keeper.current()
    await keeper.current()
    expect(asked).toBe(2)
    now = 6.5 * MINUTE
    await keeper.current()
    expect(asked).toBe(3)
  })

  it('are asked for again by the next who needs them when there are none', async () => {
    let tries = 0
    const keeper = new SecretCache(async () => {
      if (++tries === 1) throw new Error('SSM is down')
      return secretsOf('key')
    })

    await expect(keeper.current()).rejects.toThrow('SSM is down')
    expect(await keeper.current()).toEqual(secretsOf('key'))
  })
})

describe('the header of the edge', () => {
  it('is known', () => {
    expect(isEdgeHeader(HEADER, secretsOf('key'))).toBe(true)
  })

  it.each([undefined, '', HEADER.slice(1), `${HEADER}x`, HEADER.toUpperCase(), `${HEADER}, ${HEADER}`])(
    'is not %j',
    said => {
      expect(isEdgeHeader(said, secretsOf('key'))).toBe(false)
    },
  )
})
