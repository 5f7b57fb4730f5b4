import { describe, expect, it } from 'vitest'
import { parseChallenges } from '../../../lambda/client/registry/challenge.ts'

describe('parseChallenges', () => {
  it('reads the parameters of a bearer challenge', () => {
    const header =
      'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push"'
    expect(parseChallenges(header)).toEqual([
      {
        scheme: 'bearer',
        parameters: {
          realm: 'https://auth.example/token',
          service: 'registry.example',
          scope: 'repository:a/b:pull,push',
        },
      },
    ])
  })

  it('reads several challenges of one header', () => {
    expect(parseChallenges('Basic realm="a, b", Bearer realm=https://x/token , error="\\"no\\""')).toEqual([
      { scheme: 'basic', parameters: { realm: 'a, b' } },
      { scheme: 'bearer', parameters: { realm: 'https://x/token', error: '"no"' } },
    ])
  })

  it.each(['', ',', '===', '"'])('reads no challenge from %j', header => {
    expect(parseChallenges(header)).toEqual([])
  })
})
