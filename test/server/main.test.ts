import { statSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { freshFolder, ServerProcess } from './process.ts'
import { dial, literally } from './support.ts'

describe('a server that starts', () => {
  it('says where it listens, where the data is and what to type', async () => {
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

  it('makes its folder for its user alone: there are blobs and hashes of passwords in it', async () => {
    using folder = freshFolder()
    await using _ = await ServerProcess.listening(`${folder.path}/deep/er`)
    for (const made of ['deep', 'deep/er'])
      expect(statSync(`${folder.path}/${made}`).mode & 0o777).toBe(0o700)
  })

  it('warns when others can reach it and nobody has to log in', async () => {
    using folder = freshFolder()
    await using server = await ServerProcess.listening(folder.path, '--host', '0.0.0.0', '--auth', 'open')
    await server.says('anyone who reaches this port can push')
  })

  it('does not warn of others who have to log in', async () => {
    using folder = freshFolder()
    await using server = await ServerProcess.listening(folder.path, '--host', '0.0.0.0')
    await server.says('docker pull')
    expect(server.stdout).not.toContain('NOTE')
  })

  it('hands its settings to the registry', async () => {
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

  it('collects garbage from time to time', async () => {
    using folder = freshFolder()
    await using server = await ServerProcess.listening(folder.path, '--grace', '1s')
    await server.says('collected')
  })

  it('lives on after a fault and logs it under the request id of the answer', async () => {
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
    expect(fault).toMatchObject({ level: 'error', message: 'as asked', requestId })
  })
})

describe('a server that cannot start', () => {
  it.each([
    ['for a wrong flag', ['--nonsense'], 64, "Unknown option '--nonsense'"],
    [
      'for a missing certificate',
      ['--tls-cert', '/no/cert', '--tls-key', '/no/key'],
      1,
      'cannot read the TLS certificate: ENOENT',
    ],
    [
      'for an address of another machine',
      ['--host', '192.0.2.1'],
      1,
      'cannot listen on 192.0.2.1:0: this machine has no such address',
    ],
  ])('%s says so in one line', async (_, args, code, message) => {
    using folder = freshFolder()
    await using server = new ServerProcess(['--data', folder.path, '--port', '0', ...args])
    expect(await server.ended()).toBe(code)
    expect(server.stderr).toMatch(new RegExp(`^longshore: ${literally(message)}[^\\n]*\\n$`))
    expect(server.stdout).toBe('')
  })

  it('because the port is in use says so in one line', async () => {
    using first = freshFolder()
    using second = freshFolder()
    await using server = await ServerProcess.listening(first.path)
    await using late = new ServerProcess(['--data', second.path, '--port', String(server.port)])
    expect(await late.ended()).toBe(1)
    expect(late.stderr).toBe(
      `longshore: cannot listen on 127.0.0.1:${server.port}: the port is in use (--port chooses another)\n`,
    )
  })

  it('because the data folder is a file says so in one line', async () => {
    using folder = freshFolder()
    writeFileSync(`${folder.path}/file`, '')
    await using server = new ServerProcess(['--data', `${folder.path}/file`])
    expect(await server.ended()).toBe(1)
    expect(server.stderr).toMatch(/^longshore: cannot use the data folder: [^\n]*\n$/)
  })
})

it('--help is answered on stdout', async () => {
  await using server = new ServerProcess(['--help'])
  expect(await server.ended()).toBe(0)
  expect(server.stdout).toContain('LONGSHORE_PORT')
})

it('a client that vanishes with its answer unread takes nothing with it', async () => {
  using folder = freshFolder()
  await using server = await ServerProcess.listening(folder.path)
  const socket = await dial(server.port)
  socket.write('GET /?ms=50 HTTP/1.1\r\nhost: a\r\n\r\n')
  socket.resetAndDestroy()
  expect((await fetch(`${server.url}/?ms=100`)).status).toBe(200)
})
