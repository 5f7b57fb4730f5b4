import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type App, errorResponse } from '../../lambda/http/app.ts'
import { RegistryError } from '../../lambda/protocol/errors.ts'
import { openServer, type TestServer } from '../server/support.ts'
import { attempt } from '../support/command.ts'
import { writeLargeImage } from '../support/large-image.ts'
import { describeWith } from '../support/requirements.ts'
import { TempDir } from '../support/temp-dir.ts'

const MIB = 2 ** 20
const SIZE = 64 * MIB
const REASON = 'the quota of this repository is used up'

/** A registry that refuses every layer, without reading it. */
const refusing: App = async ({ method, path }) => {
  const respond = (status: number, headers: Record<string, string> = {}) => ({
    response: { status, headers },
  })
  if (path === '/v2/') return respond(200)
  if (method === 'POST') return respond(202, { location: '/v2/app/blobs/uploads/1?x=1', range: '0-0' })
  const error =
    method === 'PATCH' ? new RegistryError('DENIED', { message: REASON }) : new RegistryError('BLOB_UNKNOWN')
  return { response: errorResponse(error, method) }
}

describe('a layer that the server refuses', () => {
  const scratch = new TempDir()
  const archive = scratch.join('image.tar')
  let server: TestServer

  beforeAll(() => void writeLargeImage(archive, '1', 'refused', SIZE))
  beforeEach(async () => {
    server = await openServer(refusing)
  })
  afterEach(() => server[Symbol.asyncDispose]())
  afterAll(() => scratch.remove())

  function bytesRead(): number {
    const refused = server.records().filter(record => 'status' in record && record.status === 403)
    return Math.max(...refused.map(record => ('bytesIn' in record ? Number(record.bytesIn) : 0)))
  }

  describeWith({ tools: ['curl'] }, 'curl', () => {
    test.each([
      ['with its length', []],
      ['in chunks', ['--header', 'Transfer-Encoding: chunked']],
    ])('reports the reason, and not a broken pipe, for a layer %s', async (_, more) => {
      const url = `${server.url}/v2/app/blobs/uploads/1`
      const flags = ['--silent', '--show-error', '--request', 'PATCH', '--header', 'Expect:', ...more]

      const { code, stdout, stderr } = await attempt('curl', [...flags, '--upload-file', archive, url])

      expect(stderr).not.toMatch(/reset|broken pipe/i)
      expect(stdout).toContain(REASON)
      expect(code).toBe(0)
      await server.logged(1)
      expect(bytesRead()).toBeLessThanOrEqual(MIB + 64 * 1024)
    })
  })

  describeWith({ tools: ['skopeo'] }, 'skopeo', () => {
    test('reports the reason, and not a broken pipe', async () => {
      const target = `docker://127.0.0.1:${server.port}/app:1`
      const flags = ['--insecure-policy', 'copy', '--dest-tls-verify=false', '--retry-times', '0']

      const { code, stderr } = await attempt('skopeo', [...flags, `oci-archive:${archive}`, target])

      expect(code).not.toBe(0)
      expect(stderr).toContain(REASON)
      expect(bytesRead()).toBeLessThanOrEqual(MIB + 64 * 1024)
    })
  })
})
