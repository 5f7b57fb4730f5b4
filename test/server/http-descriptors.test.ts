import { describe, expect, it } from 'vitest'
import { echo, openServer, seenBy } from './support.ts'

describe('a server without file descriptors', () => {
  const exhausted = () => Object.assign(new Error('too many open files'), { code: 'EMFILE' })

  it('keeps serving when it cannot accept a connection, and warns once a minute', async () => {
    await using server = await openServer(echo)
    for (let times = 0; times < 3; times++) server.http.server.emit('error', exhausted())
    expect(await seenBy(server.port, '/')).toMatchObject({ path: '/' })
    const [first, ...others] = await server.logged(2)
    expect(first).toMatchObject({ level: 'warning', message: expect.stringContaining('too many open files') })
    expect(others).toMatchObject([{ status: 200 }])
  })

  it('keeps serving when accept fails for another reason, and logs a fault', async () => {
    await using server = await openServer(echo)
    server.http.server.emit(
      'error',
      Object.assign(new Error('accept ECONNABORTED'), { code: 'ECONNABORTED' }),
    )
    expect(await seenBy(server.port, '/')).toMatchObject({ path: '/' })
    expect(await server.logged(2)).toMatchObject([{ level: 'error' }, { status: 200 }])
  })

  it('answers 503 with Retry-After when the app cannot open a file', async () => {
    await using server = await openServer(() => Promise.reject(new Error('reading', { cause: exhausted() })))
    const response = await fetch(server.url)
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1'])
  })
})
