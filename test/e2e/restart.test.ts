import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { BackgroundProcess, eventually } from '../support/command.ts'
import { send } from '../support/http-client.ts'
import { image } from '../support/images.ts'
import { LocalServer } from '../support/local-server.ts'
import { digestOf, randomBytesOf } from '../support/random-bytes.ts'
import { RegistryClient } from '../support/registry-client.ts'

const MIB = 1 << 20

describe('a server that stops and starts again', () => {
  const bytes = randomBytesOf('restart', 8 * MIB)
  const digest = digestOf(bytes)
  let server: LocalServer
  let client: RegistryClient

  beforeEach(async () => {
    server = await LocalServer.start()
    client = new RegistryClient(server.url, 'restart')
  })

  afterEach(() => server?.stop())

  test('serves images that were pushed before', async () => {
    const pushed = image('restart')
    await client.pushImage(pushed, '1')

    await server.restart()

    expect(await client.missing(pushed)).toEqual([])
  })

  test('continues an upload that was between two requests when it was killed', async () => {
    const upload = await client.append(await client.openUpload(), bytes.subarray(0, 3 * MIB))
    await server.kill('SIGKILL')
    await server.restart()

    const offset = await client.offset(upload)
    const next = await client.append(upload, bytes.subarray(offset))
    await client.closeUpload(next, digest)

    expect(offset).toBe(3 * MIB)
    expect(await client.digestOfBlob(digest)).toBe(digest)
  })

  test('continues an upload that was within a request when it was killed', async () => {
    const upload = await client.openUpload()
    const cut = client.append(upload, slowly(bytes.subarray(0, 6 * MIB)))
    const refused = expect(cut).rejects.toThrow()
    await sleep(300)
    await server.kill('SIGKILL')
    await refused
    await server.restart()

    const offset = await client.offset(upload)
    const next = await client.append(upload, bytes.subarray(offset))
    await client.closeUpload(next, digest)

    expect(offset).toBeLessThanOrEqual(6 * MIB)
    expect(await client.digestOfBlob(digest)).toBe(digest)
  })

  test('finishes an upload in progress after SIGTERM', async () => {
    const upload = await client.openUpload()
    const appended = client.append(upload, slowly(bytes))
    await sleep(300)

    const stopped = server.kill('SIGTERM')
    const next = await appended
    await stopped

    expect(server.exitCode).toBe(0)
    await server.restart()
    expect(await client.offset(next)).toBe(bytes.length)
  })

  test('refuses new connections after SIGTERM', async () => {
    const upload = await client.openUpload()
    const appended = client.append(upload, slowly(bytes))
    await sleep(300)

    const stopped = server.kill('SIGTERM')
    await sleep(100)

    await expect(send(`${server.url}/v2/`)).rejects.toThrow(/ECONNREFUSED|ECONNRESET/)
    await appended
    await stopped
  })

  test('makes a second server on its data folder exit with an error in one line', async () => {
    const start = new URL('../../server/start.js', import.meta.url).pathname
    const second = new BackgroundProcess(process.execPath, [start, '--port', '0', '--data', server.data])

    await eventually(
      () => !second.running,
      () => `a second server runs:\n${second.logs}`,
    ).finally(() => second.end())

    expect(second.exitCode).not.toBe(0)
    expect(second.logs.trim().split('\n')).toHaveLength(1)
    expect(second.logs).toContain(server.data)
  })

  /** A body that takes a second or two, with pauses between its mebibytes. */
  async function* slowly(body: Buffer): AsyncGenerator<Buffer> {
    for (let at = 0; at < body.length; at += MIB) {
      yield body.subarray(at, at + MIB)
      await sleep(150)
    }
  }
})
