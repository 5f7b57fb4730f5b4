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

/** Creates `<name>.pem` and `<name>.key`, self-signed for the host `name`. */
function makeCertificate(name: string): { cert: string; key: string } {
  const [cert, key] = [`${folder.path}/${name}.pem`, `${folder.path}/${name}.key`]
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  spawnSync('openssl', ['req', '-x509', ...curve, '-subj', `/CN=${name}`, '-keyout', key, '-out', cert])
  return { cert, key }
}

async function connectTls(port: number, options: object = {}): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve)
    socket.once('error', reject)
  })
  return socket
}

async function certificateName(port: number): Promise<PeerCertificate['subject']['CN']> {
  const socket = await connectTls(port)
  const { subject } = socket.getPeerCertificate()
  socket.destroy()
  return subject.CN
}

describe.skipIf(!openssl)('TLS (needs openssl to create a certificate)', () => {
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
    const socket = await connectTls(server.port)
    socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n')
    let response = ''
    for await (const chunk of socket) response += chunk
    expect(response).toMatch(/^HTTP\/1.1 200/)
  })

  it('refuses versions older than TLS 1.2', async () => {
    using data = freshFolder()
    await using server = await ServerProcess.listening(
      data.path,
      '--tls-cert',
      files.cert,
      '--tls-key',
      files.key,
    )
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }
    await expect(connectTls(server.port, old)).rejects.toThrow(/alert protocol version/i)
  })

  it('uses a renewed certificate after SIGHUP, and keeps the old one when the new one is invalid', async () => {
    using data = freshFolder()
    const [cert, key] = [`${data.path}/tls.pem`, `${data.path}/tls.key`]
    copyFileSync(files.cert, cert)
    copyFileSync(files.key, key)
    await using server = await ServerProcess.listening(data.path, '--tls-cert', cert, '--tls-key', key)
    expect(await certificateName(server.port)).toBe('first')

    writeFileSync(cert, 'broken')
    server.signal('SIGHUP')
    await until(() => server.stderr.includes('cannot use'))
    expect(await certificateName(server.port)).toBe('first')

    const renewed = makeCertificate('second')
    copyFileSync(renewed.cert, cert)
    copyFileSync(renewed.key, key)
    server.signal('SIGHUP')
    let seen: unknown
    for (let tries = 0; tries < 100 && seen !== 'second'; tries++) seen = await certificateName(server.port)
    expect(seen).toBe('second')
    await until(() => server.stderr.includes(`reloaded the certificate from ${cert}`))
  })

  it('answers plain HTTP with a plain error document, and logs it once', async () => {
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

  it('can be stopped during a TLS handshake that a client does not finish', async () => {
    using data = freshFolder()
    const flags = ['--tls-cert', files.cert, '--tls-key', files.key, '--shutdown', '100ms']
    await using server = await ServerProcess.listening(data.path, ...flags)
    const unfinished = await dial(server.port)
    server.signal('SIGTERM')
    expect(await server.ended()).toBe(0)
    unfinished.destroy()
  })

  it('refuses a key that does not match the certificate', () => {
    const other = makeCertificate('other')
    expect(() => readCertificate({ cert: files.cert, key: other.key })).toThrow(
      /^cannot use .* with .*: .*mismatch/,
    )
  })

  it('refuses a file that is not a certificate', () => {
    expect(readFileSync(files.key, 'utf8')).toContain('PRIVATE KEY')
    expect(() => readCertificate({ cert: files.key, key: files.key })).toThrow(/^cannot use /)
  })
})
