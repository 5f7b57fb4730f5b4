import { afterAll, beforeAll, expect, test } from 'vitest'
import { attempt, run } from '../support/command.ts'
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

  test('takes images from longshore push when its certificate is trusted, and says how to trust it otherwise', async () => {
    const push = (env: Record<string, string>) =>
      attempt(process.execPath, ['cli/longshore.js', 'push', layout, `https://${server.host}/tls:3`], {
        env: { DOCKER_CONFIG: scratch.folder('config'), ...env },
      })

    expect(await push({ NODE_EXTRA_CA_CERTS: scratch.join('trusted', 'ca.crt') })).toMatchObject({ code: 0 })
    const { code, stderr } = await push({})
    expect(code).toBe(1)
    expect(stderr).toMatch(
      /^longshore: cannot reach localhost:\d+: its certificate is not trusted \(\w+\); .*NODE_EXTRA_CA_CERTS=<file>\n$/,
    )
  })

  test('is named by longshore push to a client that uses no TLS', async () => {
    const push = attempt(
      process.execPath,
      ['cli/longshore.js', 'push', layout, `http://${server.host}/tls:4`],
      {
        env: { DOCKER_CONFIG: scratch.folder('config') },
      },
    )

    expect(await push).toMatchObject({ code: 1, stderr: expect.stringContaining('https') })
  })
})
