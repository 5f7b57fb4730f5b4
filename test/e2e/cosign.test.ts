import { afterAll, beforeAll, expect, test } from 'vitest'
import { run } from '../support/command.ts'
import { image } from '../support/images.ts'
import { LocalServer } from '../support/local-server.ts'
import { RegistryClient } from '../support/registry-client.ts'
import { describeWith, findTool } from '../support/requirements.ts'
import { TempDir } from '../support/temp-dir.ts'

describeWith({ tools: ['cosign'] }, 'cosign', () => {
  const scratch = new TempDir()
  let server: LocalServer

  beforeAll(async () => {
    server = await LocalServer.start()
    await cosign('generate-key-pair')
    // No transparency log and no time stamps: the tests connect to the registry only.
    await cosign('signing-config', 'create', '--out', 'signing.json')
    await cosign('trusted-root', 'create', '--out', 'root.json')
  })

  afterAll(async () => {
    await server?.stop()
    scratch.remove()
  })

  function cosign(...args: string[]): Promise<string> {
    const env = { HOME: scratch.path, COSIGN_PASSWORD: 'of the test' }
    return run(findTool('cosign') ?? 'cosign', args, { cwd: scratch.path, env })
  }

  async function pushImage(repository: string): Promise<string> {
    const pushed = image(`cosign-${repository}`)
    await new RegistryClient(server.url, repository).pushImage(pushed, '1')
    return `${server.host}/${repository}@${pushed.manifest.digest}`
  }

  const sign = (name: string) =>
    cosign('sign', '--yes', '--key', 'cosign.key', ...OFFLINE, '--signing-config', 'signing.json', name)
  const verify = (name: string) =>
    cosign('verify', '--key', 'cosign.pub', ...OFFLINE, '--insecure-ignore-tlog', name)

  test('a signature is pushed and verified', async () => {
    const name = await pushImage('cosign/signed')

    await sign(name)

    expect(await verify(name)).toContain('cosign/signed')
  })

  test('an image that was not signed is not verified', async () => {
    const name = await pushImage('cosign/unsigned')

    await expect(verify(name)).rejects.toThrow(/no signatures found/)
  })

  test('the tree shows signatures below their image', async () => {
    const name = await pushImage('cosign/tree')
    await sign(name)

    const tree = await cosign('tree', '--allow-http-registry', name)

    expect(tree).toContain('artifacts via OCI referrer')
  })
})

const OFFLINE = ['--allow-http-registry', '--trusted-root', 'root.json']
