import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { freshFolder, ServerProcess } from './process.ts'
import { dial } from './support.ts'

/** Resolves when the port refuses a connection. */
async function refusal(port: number): Promise<void> {
  for (let refused = false; !refused; ) {
    const socket = connect(port, '127.0.0.1')
    refused = await once(socket, 'connect').then(
      () => false,
      () => true,
    )
    socket.destroy()
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

describe('a server that gets a signal to stop', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('%s closes its store and exits with 0', async signal => {
    using folder = freshFolder()
    await using server = await ServerProcess.listening(folder.path)
    server.signal(signal)
    expect(await server.ended()).toBe(0)
    expect(server.stdout).toMatch(/closed\n$/)
  })

  it('finishes a request in progress, and tells the client to close the connection', async () => {
    using folder = freshFolder()
    await using server = await ServerProcess.listening(folder.path)
    const pending = fetch(`${server.url}/?ms=400`)
    await server.says('request')
    server.signal('SIGTERM')
    const response = await pending
    expect(response.status).toBe(200)
    expect(response.headers.get('connection')).toBe('close')
    expect(await server.ended()).toBe(0)
  })

  it('refuses new connections meanwhile', async () => {
    using folder = freshFolder()
    await using server = await ServerProcess.listening(folder.path)
    let hasResponse = false
    const pending = fetch(`${server.url}/?ms=3000`).finally(() => {
      hasResponse = true
    })
    await server.says('request')
    server.signal('SIGTERM')
    await refusal(server.port)
    expect(hasResponse).toBe(false)
    expect((await pending).status).toBe(200)
  })

  it('does not wait for idle connections', async () => {
    using folder = freshFolder()
    // If it waited for them, the test would time out.
    await using server = await ServerProcess.listening(folder.path, '--shutdown', '1h')
    const idle = await dial(server.port)
    idle.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    await once(idle, 'data')
    const silent = await dial(server.port)
    server.signal('SIGTERM')
    expect(await server.ended()).toBe(0)
    idle.destroy()
    silent.destroy()
  })

  it('closes the connections of requests that take longer than --shutdown', async () => {
    using folder = freshFolder()
    await using server = await ServerProcess.listening(folder.path, '--shutdown', '200ms', '--log', 'json')
    const socket = await dial(server.port)
    socket.write('GET /?ms=1500 HTTP/1.1\r\nhost: a\r\n\r\n')
    await server.says('request')
    server.signal('SIGTERM')
    expect(await text(socket)).toBe('')
    expect(await server.ended()).toBe(0)
    expect(JSON.parse(server.stderr)).toMatchObject({ status: 499 })
  })

  it('twice exits at once with 1', async () => {
    using folder = freshFolder()
    await using server = await ServerProcess.listening(folder.path)
    const cut = fetch(`${server.url}/?ms=600000`).catch(() => 'cut')
    await server.says('request')
    server.signal('SIGINT')
    await refusal(server.port)
    server.signal('SIGINT')
    expect(await server.ended()).toBe(1)
    expect(await cut).toBe('cut')
  })
})
