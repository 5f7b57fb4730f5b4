import { describe, expect, it } from 'vitest'
import { RegistryError } from '../../lambda/protocol/errors.ts'
import { answering, bodyOf, ok, openServer } from './support.ts'

describe('the access log', () => {
  it('has one record for each request', async () => {
    await using server = await openServer(
      answering(async request => ok(String((await bodyOf(request.body)).length)), {
        route: '/v2/<name>/manifests/<reference>',
        action: 'push',
      }),
    )
    const response = await fetch(`${server.url}/v2/a/manifests/b?secret=1`, {
      method: 'PUT',
      body: 'abc',
      headers: { 'user-agent': 'docker/29', authorization: 'Basic secret' },
    })
    const records = await server.logged(1)
    expect(records).toEqual([
      {
        time: expect.stringMatching(/^\d{4}-.*Z$/),
        level: 'info',
        requestId: response.headers.get('x-request-id'),
        method: 'PUT',
        route: '/v2/<name>/manifests/<reference>',
        action: 'push',
        status: 200,
        bytesIn: 3,
        bytesOut: 1,
        durationMs: expect.any(Number),
        agent: 'docker/29',
        remote: '127.0.0.1',
      },
    ])
    expect(JSON.stringify(records)).not.toContain('secret')
  })

  it('has the code of an error', async () => {
    await using server = await openServer(() => Promise.reject(new RegistryError('NAME_UNKNOWN')))
    await fetch(server.url)
    expect(await server.logged(1)).toMatchObject([{ status: 404, code: 'NAME_UNKNOWN' }])
  })
})
