import { statSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { freshFolder, ServerProcess } from './process.ts'
import { dial, literally } from './support.ts'

describe('a server that starts', () => {
  it('prints its address, its data folder and commands to try', async () => {
    using folder = freshFolder()
    await using server = await ServerProcess.listening(`${folder.path}/deep/er`)
    await server.says('docker pull')
    const registry = `localhost:${server.port}`
    expect(server.stdout.split('\n')).toEqual([
      expect.stringMatching(new RegExp(`^Longshore \\S+ listens on http://${registry}$`)),
      `  data   ${folder.path}/deep/er`,
      `  try    docker tag alpine ${registry}/alpine`,
      `         docker push ${registry}/alpine`,
      `         docker pull ${registry}/alpine`,
      '',
    ])
    expect(server.stderr).toBe('')
  })

  it('creates a data folder that only its user can read: it holds blobs and password hashes', async () => {
    using folder = freshFolder()
    await using _ = await ServerProcess.listening(`${folder.path}/deep/er`)
    for (const created of ['deep', 'deep/er'])
      expect(statSync(`${folder.path}/${created}`).mode & 0o777).toBe(0o700)
  })

  it('warns when other machines can reach it and logins are turned off', async () => {
    using folder = freshFolder()
    await using server = await ServerProcess.listening(folder.path, '--host', '0.0.0.0', '--auth', 'open')
    await server.says('anyone who reaches this port can push')
  })

  it('does not warn when logins are required', async () => {
    using folder = freshFolder()
    await using server = await ServerProcess.listening(folder.path, '--host', '0.0.0.0')
    await server.says('docker pull')
    expect(server.stdout).not.toContain('NOTE')
  })

  it('passes its settings to the registry', async () => {
    using folder = freshFolder()
    await using server = await ServerProcess.listening(
      folder.path,
      '--grace',
      '1h',
      '--origin',
      'https://a.b',
    )
    expect(await (await fetch(server.url)).json()).toEqual({
      data: folder.path,
      grace: 3_600_000,
      origin: 'https://a.b',
    })
    expect(server.stdout).toContain('docker push a.b/alpine')
  })

  it('runs the collector at an interval', async () => {
    using folder = freshFolder()
    await using server = await ServerProcess.listening(folder.path, '--grace', '1s')
    await server.says('collected')
  })

  it('keeps serving after a fault, and logs it with the request id of the response', async () => {
    using folder = freshFolder()
    await using server = await ServerProcess.listening(folder.path, '--log', 'json')
    const response = await fetch(`${server.url}/?fault`)
    expect(response.status).toBe(500)
    expect((await fetch(server.url)).status).toBe(200)
    server.signal('SIGTERM')
    await server.ended()
    const requestId = response.headers.get('x-request-id')
    const [access, fault] = server.stderr.split('\n').map(line => line && JSON.parse(line))
    expect(access).toMatchObject({ status: 500, requestId })
    expect(fault).toMatchObject({ level: 'error', message: 'a fault', requestId })
  })
})

describe('a server that cannot start', () => {
  it.each([
    ['because of an unknown flag', ['--nonsense'], 64, "Unknown option '--nonsense'"],
    [
      'because of a missing certificate',
      ['--tls-cert', '/no/cert', '--tls-key', '/no/key'],
      1,
      'cannot read the TLS certificate: ENOENT',
    ],
    [
      'because the address belongs to another machine',
      ['--host', '192.0.2.1'],
      1,
      'cannot listen on 192.0.2.1:0: this machine does not have that address',
    ],
  ])('%s reports it in one line', async (_, args, code, message) => {
    using folder = freshFolder()
    await using server = new ServerProcess(['--data', folder.path, '--port', '0', ...args])
    expect(await server.ended()).toBe(code)
    expect(server.stderr).toMatch(new RegExp(`^longshore: ${literally(message)}[^\\n]*\\n$`))
    expect(server.stdout).toBe('')
  })

  it('because the port is in use reports it in one line', async () => {
    using first = freshFolder()
    using second = freshFolder()
    await using server = await ServerProcess.listening(first.path)
    await using late = new ServerProcess(['--data', second.path, '--port', String(server.port)])
    expect(await late.ended()).toBe(1)
    expect(late.stderr).toBe(
      `longshore: cannot listen on 127.0.0.1:${server.port}: the port is in use (--port chooses another)\n`,
    )
  })

  it('because the data folder is a file reports it in one line', async () => {
    using folder = freshFolder()
    writeFileSync(`${folder.path}/file`, '')
    await using server = new ServerProcess(['--data', `${folder.path}/file`])
    expect(await server.ended()).toBe(1)
    expect(server.stderr).toMatch(/^longshore: cannot use the data folder: [^\n]*\n$/)
  })
})

it('--help prints to stdout', async () => {
  await using server = new ServerProcess(['--help'])
  expect(await server.ended()).toBe(0)
  expect(server.stdout).toContain('LONGSHORE_PORT')
})

it('a client that closes its connection before the response does not end the server', async () => {
  using folder = freshFolder()
  await using server = await ServerProcess.listening(folder.path)
  const socket = await dial(server.port)
  socket.write('GET /?ms=50 HTTP/1.1\r\nhost: a\r\n\r\n')
  socket.resetAndDestroy()
  expect((await fetch(`${server.url}/?ms=100`)).status).toBe(200)
})
