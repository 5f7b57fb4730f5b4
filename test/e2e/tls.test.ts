import { afterAll, beforeAll, expect, test } from 'vitest'
import { run } from '../support/command.ts'
import { image } from '../support/images.ts'
import { missingFrom } from '../support/layout-reader.ts'
import { LocalServer } from '../support/local-server.ts'
import { writeLayout } from '../support/oci-layout.ts'
import { describeWith } from '../support/requirements.ts'
import { TempDir } from '../support/temp-dir.ts'

describeWith({ tools: ['openssl', 'skopeo'] }, 'a server with a certificate', () => {
  const scratch = new TempDir()
  const pushed = image('tls')
  let trusted: string
  let layout: string
  let server: LocalServer

  beforeAll(async () => {
    trusted = scratch.folder('trusted')
    const tls = { cert: scratch.join('trusted', 'ca.crt'), key: scratch.join('server.key') }
    const certificate = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '1',
    ]
    const named = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
    await run('openssl', [...certificate, ...named, '-out', tls.cert, '-keyout', tls.key])
    server = await LocalServer.start({ tls })
    layout = writeLayout(scratch.join('in'), { 1: pushed })
  })

  afterAll(async () => {
    await server?.stop()
    scratch.remove()
  })

  const skopeo = (...args: string[]) => run('skopeo', ['--insecure-policy', 'copy', ...args])

  test('is pushed to and pulled from by a client that trusts the certificate', async () => {
    const name = `docker://${server.host}/tls:1`
    const folder = scratch.join('out')

    await skopeo('--dest-cert-dir', trusted, `oci:${layout}:1`, name)
    await skopeo('--src-cert-dir', trusted, name, `oci:${folder}:1`)

    expect(missingFrom(folder, pushed)).toEqual([])
  })

  test('is refused by a client that does not', async () => {
    const copied = skopeo(`oci:${layout}:1`, `docker://${server.host}/tls:2`)

    await expect(copied).rejects.toThrow(/certificate/)
  })
})
