import { describe, expect, it } from 'vitest'
import { RegistryClient, type RegistryResponse } from '../../cli/registry-client.ts'

/** A client of a registry that gives these responses in turn. */
function clientOf(...responses: Partial<RegistryResponse>[]) {
  const requests: string[] = []
  const client = new RegistryClient(async (method, target) => {
    const response = responses[requests.length]
    requests.push(`${method} ${target}`)
    if (!response) throw new Error('unexpected request')
    return { status: 200, headers: {}, json: undefined, ...response }
  })
  return { client, requests }
}

describe('a list with several pages', () => {
  it.each(['', 'https://registry.example'])(
    'is read to its end by links with the origin %j',
    async origin => {
      const link = `<${origin}/v2/_catalog?n=1&last=a>; rel="next"`
      const { client, requests } = clientOf(
        { json: { repositories: ['a'] }, headers: { link } },
        { json: { repositories: ['b'] } },
      )
      expect(await client.pages('/v2/_catalog', 'repositories')).toEqual(['a', 'b'])
      expect(requests).toEqual(['GET /v2/_catalog', 'GET /v2/_catalog?n=1&last=a'])
    },
  )
})

describe('a refusal', () => {
  it.each([
    [{ code: 'DENIED', message: 'push on app: no rule' }, 'not allowed: push on app: no rule'],
    [{ code: 'NOT_FOUND', message: 'not found', detail: { user: 'ann' } }, 'not found (user ann)'],
    [{ code: 'X', message: 'm', detail: { reason: 'the name is taken' } }, 'the name is taken'],
    [{ code: 'X', message: 'm', detail: { sizes: [1, 2] } }, 'm (sizes [1,2])'],
  ])('%j is printed as %j', async (error, message) => {
    const { client } = clientOf({ status: 400, json: { errors: [error] } })
    await expect(client.get('/api/users')).rejects.toThrow(message)
  })

  it('without an error document is printed as its status', async () => {
    const { client } = clientOf({ status: 502 })
    await expect(client.get('/api/users')).rejects.toThrow('the registry responded with status 502')
  })
})
