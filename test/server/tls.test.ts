import { spawnSync } from 'node:child_process'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, type PeerCertificate, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readCertificate } from '../../server/tls.ts'
import { freshFolder, ServerProcess } from './process.ts'
import { dial, errorCode, exchangeRaw, until } from './support.ts'

const folder = freshFolder()
afterAll(() => folder[Symbol.dispose]())
const openssl = spawnSync('openssl', ['version']).status === 0

/** Makes `<name>.pem` and `<name>.key`, self-signed for a host of that name. */
function makeCertificate(name: string): { cert: string; key: string } {
  const [cert, key] = [`${folder.path}/${name}.pem`, `${folder.path}/${name}.key`]
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  spawnSync('openssl', ['req', '-x509', ...curve, '-subj', `/CN=${name}`, '-keyout', key, '-out', cert])
  return { cert, key }
}

async function greet(port: number, options: object = {}): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve)
    socket.once('error', reject)
  })
  return socket
}

async function nameSeen(port: number): Promise<PeerCertificate['subject']['CN']> {
  const socket = await greet(port)
  const { subject } = socket.getPeerCertificate()
  socket.destroy()
  return subject.CN
}

describe.skipIf(!openssl)('TLS (needs openssl to make a certificate)', () => {
  let files: { cert: string; key: string }
  beforeAll(() => {
    files = makeCertificate('first')
  })

  it('serves https with the given certificate', async () => {
    using data = freshFolder()
    await using server = await ServerProcess.listening(
      data.path,
      '--tls-cert',
      files.cert,
      '--tls-key',
      files.key,
    )
    expect(server.url).toMatch(/^https:/)
    const socket = await greet(server.port)
    socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n')
    let answer = ''
    for await (const chunk of socket) answer += chunk
    expect(answer).toMatch(/^HTTP\/1.1 200/)
  })

  it('speaks nothing older than TLS 1.2', async () => {
    using data = freshFolder()
    await using server = await ServerProcess.listening(
      data.path,
      '--tls-cert',
      files.cert,
      '--tls-key',
      files.key,
    )
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }
    await expect(greet(server.port, old)).rejects.toThrow(/alert protocol version/i)
  })

  it('takes a renewed certificate on SIGHUP, and keeps the old one when the new is broken', async () => {
    using data = freshFolder()
    const [cert, key] = [`${data.path}/tls.pem`, `${data.path}/tls.key`]
    copyFileSync(files.cert, cert)
    copyFileSync(files.key, key)
    await using server = await ServerProcess.listening(data.path, '--tls-cert', cert, '--tls-key', key)
    expect(await nameSeen(server.port)).toBe('first')

    writeFileSync(cert, 'broken')
    server.signal('SIGHUP')
    await until(() => server.stderr.includes('cannot use'))
    expect(await nameSeen(server.port)).toBe('first')

    const renewed = makeCertificate('second')
    copyFileSync(renewed.cert, cert)
    copyFileSync(renewed.key, key)
    server.signal('SIGHUP')
    let seen: unknown
    for (let tries = 0; tries < 100 && seen !== 'second'; tries++) seen = await nameSeen(server.port)
    expect(seen).toBe('second')
    await until(() => server.stderr.includes(`the certificate that is now in ${cert}`))
  })

  it('answers plain HTTP in a way that the client can read, and says so in the log once', async () => {
    using data = freshFolder()
    const flags = ['--tls-cert', files.cert, '--tls-key', files.key]
    await using server = await ServerProcess.listening(data.path, ...flags)
    for (let times = 0; times < 3; times++) {
      const raw = await exchangeRaw(server.port, 'GET /v2/ HTTP/1.1\r\nhost: a\r\n\r\n')
      expect(raw).toMatch(/^HTTP\/1.1 400 /)
      expect(errorCode(raw)).toBe('BAD_REQUEST')
      expect(raw).toContain('must begin with https://')
    }
    server.signal('SIGTERM')
    await server.ended()
    expect(server.stderr.match(/plain HTTP/g)).toHaveLength(1)
  })

  it('can be stopped while somebody dawdles over the handshake', async () => {
    using data = freshFolder()
    const flags = ['--tls-cert', files.cert, '--tls-key', files.key, '--shutdown', '100ms']
    await using server = await ServerProcess.listening(data.path, ...flags)
    const dawdler = await dial(server.port)
    server.signal('SIGTERM')
    expect(await server.ended()).toBe(0)
    dawdler.destroy()
  })

  it('refuses a key that is not that of the certificate', () => {
    const other = makeCertificate('other')
    expect(() => readCertificate({ cert: files.cert, key: other.key })).toThrow(
      /^cannot use .* with .*: .*mismatch/,
    )
  })

  it('refuses a file that is no certificate', () => {
    expect(readFileSync(files.key, 'utf8')).toContain('PRIVATE KEY')
    expect(() => readCertificate({ cert: files.key, key: files.key })).toThrow(/^cannot use /)
  })
})
