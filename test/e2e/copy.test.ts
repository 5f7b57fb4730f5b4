import { afterAll, beforeAll, expect, test } from 'vitest'
import { uploadBlob } from '../../lambda/client/registry/upload.ts'
import { parseDigest } from '../../lambda/protocol/digest.ts'
import { clientOf } from '../support/client.ts'
import { run } from '../support/command.ts'
import { DockerRegistry } from '../support/docker-registry.ts'
import { artifact, image, multiArchitecture } from '../support/images.ts'
import { LocalServer } from '../support/local-server.ts'
import { digestOf, randomBatches } from '../support/random-bytes.ts'
import { RegistryClient } from '../support/registry-client.ts'
import { describeWith, findTool } from '../support/requirements.ts'
import { TempDir } from '../support/temp-dir.ts'

const MiB = 2 ** 20

describeWith({ tools: ['docker-registry'] }, 'longshore copy between distribution and Longshore', () => {
  const scratch = new TempDir()
  let distribution: DockerRegistry
  let server: LocalServer
  beforeAll(async () => {
    distribution = await DockerRegistry.start()
    server = await LocalServer.start()
  })
  afterAll(async () => {
    await distribution?.stop()
    await server?.stop()
    scratch.remove()
  })

  const longshore = (...args: string[]) =>
    run(process.execPath, ['cli/longshore.js', ...args], { env: { DOCKER_CONFIG: scratch.folder('config') } })
  const client = ({ url }: { readonly url: string }, repository: string) =>
    new RegistryClient(url, repository)

  const many = multiArchitecture('copy')
  const signature = artifact('example/signature', 'signed', many.manifest)

  test('keeps every digest in both directions, and the referrers where there is no API for them', async () => {
    await client(server, 'there').pushImage(many, '1')
    await client(server, 'there').pushImage(signature, signature.manifest.digest)

    await longshore('copy', `${server.host}/there:1`, `${distribution.host}/middle:1`)
    await longshore('copy', `${distribution.host}/middle:1`, `${server.host}/back:1`)

    for (const repository of [client(distribution, 'middle'), client(server, 'back')]) {
      expect(await repository.missing(many)).toEqual([])
      expect(await repository.missing(signature)).toEqual([])
    }
    const fallback = await client(distribution, 'middle').pullManifest(
      many.manifest.digest.replace(':', '-'),
      many.manifest.mediaType,
    )
    expect(JSON.parse(fallback.toString()).manifests).toEqual([
      expect.objectContaining({ digest: signature.manifest.digest }),
    ])
  })

  test('mounts within distribution', async () => {
    const one = image('mount', { layers: 3 })
    await client(distribution, 'one').pushImage(one, '1')

    const printed = await longshore(
      'copy',
      `${distribution.host}/one:1`,
      `${distribution.host}/two:1`,
      '--json',
    )

    expect(await client(distribution, 'two').missing(one)).toEqual([])
    expect(printed.match(/"state":"mounted"/g)).toHaveLength(4)
  })

  test('moves a layer of 50 MiB', async () => {
    const one = image('large', { layers: 1, layerSize: 50 * MiB })
    await client(distribution, 'large').pushImage(one, '1')

    await longshore('copy', `${distribution.host}/large:1`, `${server.host}/large:1`)

    expect(await client(server, 'large').missing(one)).toEqual([])
  })

  test('sends a blob in parts to distribution where one PUT is too large for it', async () => {
    const size = 33 * MiB + 5
    const digest = parseDigest(digestOf(randomBatches('parts', size)))
    async function* open() {
      yield* randomBatches('parts', size)
    }

    const registry = clientOf(distribution.host)
    await uploadBlob({ registry, repository: 'parts', scopes: [], digest, size, open, maxPut: MiB })

    expect(await client(distribution, 'parts').digestOfBlob(digest)).toBe(digest)
  })

  describeWith({ tools: ['cosign'] }, 'of an image that cosign signed', () => {
    test('brings a signature that verifies', async () => {
      const cosign = (...args: string[]) =>
        run(findTool('cosign') ?? 'cosign', args, {
          cwd: scratch.path,
          env: { HOME: scratch.path, COSIGN_PASSWORD: 'of the test' },
        })
      const one = image('cosign-copy')
      await client(distribution, 'signed').pushImage(one, '1')
      await cosign('generate-key-pair')
      await cosign('signing-config', 'create', '--out', 'signing.json')
      const signed = `${distribution.host}/signed@${one.manifest.digest}`
      const flags = ['--key', 'cosign.key', '--signing-config', 'signing.json', '--allow-http-registry']
      await cosign('sign', '--yes', ...flags, signed)

      await longshore('copy', `${distribution.host}/signed:1`, `${server.host}/signed:1`)

      const verified = await cosign(
        ...['verify', '--key', 'cosign.pub', '--insecure-ignore-tlog', '--allow-http-registry'],
        `${server.host}/signed@${one.manifest.digest}`,
      )
      expect(verified).toContain(one.manifest.digest)
    })
  })
})
