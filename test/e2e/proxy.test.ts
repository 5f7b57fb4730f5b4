import { mkdirSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { run } from '../support/command.ts'
import { image } from '../support/images.ts'
import { LocalServer } from '../support/local-server.ts'
import { LOGIN_CLIENTS, REJECTION } from '../support/login-clients.ts'
import { writeLayout } from '../support/oci-layout.ts'
import { ProxyProcess } from '../support/proxy-process.ts'
import { describeWith, findTool } from '../support/requirements.ts'
import { TempDir } from '../support/temp-dir.ts'

const PASSWORD = 'correct horse battery'

describe('longshore proxy', () => {
  const scratch = new TempDir('longshore-proxy-')
  let server: LocalServer
  /** Clients log in themselves. */
  let plain: ProxyProcess
  /** The proxy logs in. */
  let loggedIn: ProxyProcess
  beforeAll(async () => {
    server = await LocalServer.start({ env: { LONGSHORE_ADMIN_PASSWORD: PASSWORD } })
    const auth = Buffer.from(`admin:${PASSWORD}`).toString('base64')
    mkdirSync(scratch.join('kept'))
    writeFileSync(scratch.join('kept/config.json'), JSON.stringify({ auths: { [server.host]: { auth } } }))
    plain = await ProxyProcess.start(server.host)
    loggedIn = await ProxyProcess.start(server.host, { env: { DOCKER_CONFIG: scratch.join('kept') } })
  })
  afterAll(async () => {
    expect(plain?.temporaryFiles).toEqual([])
    expect(loggedIn?.temporaryFiles).toEqual([])
    await plain?.stop()
    await loggedIn?.stop()
    await server?.stop()
    scratch.remove()
  })

  for (const { name, needs, start } of LOGIN_CLIENTS)
    describeWith(needs, `for ${name}`, () => {
      const own = name.toLowerCase().replaceAll(/[^a-z]/g, '')

      test('forwards the login of the client', async () => {
        await using client = await start()
        expect(await client.push(plain.host, `${own}/plain`)).toEqual({
          ok: false,
          output: expect.stringMatching(REJECTION),
        })
        expect(await client.login(plain.host, 'admin', PASSWORD)).toMatchObject({ ok: true })
        expect(await client.push(plain.host, `${own}/plain`)).toMatchObject({ ok: true })
        expect(await client.pull(plain.host, `${own}/plain`)).toMatchObject({ ok: true })
      })

      test('lends the kept login to a client without one', async () => {
        await using client = await start()
        expect(await client.push(loggedIn.host, `${own}/kept`)).toMatchObject({ ok: true })
        expect(await client.pull(loggedIn.host, `${own}/kept`)).toMatchObject({ ok: true })
      })
    })

  describeWith({ tools: ['regctl'] }, 'for regctl that sends chunks', () => {
    test('puts them together', async () => {
      const regctl = (...args: string[]) =>
        run(findTool('regctl') ?? 'regctl', args, { env: { REGCTL_CONFIG: scratch.join('regctl.json') } })
      const chunks = ['--blob-max', '1000000', '--blob-chunk', '1000000']
      await regctl('registry', 'set', loggedIn.host, '--tls', 'disabled', '--skip-check', ...chunks)
      const one = image('proxy-chunks', { layers: 1, layerSize: 3_500_000 })
      const layout = writeLayout(scratch.join('layout'), { 1: one })
      const name = `${loggedIn.host}/regctl/chunks:1`

      await regctl('image', 'copy', `ocidir://${layout}:1`, name)

      expect((await regctl('image', 'digest', name)).trim()).toBe(one.manifest.digest)
    })
  })
})
