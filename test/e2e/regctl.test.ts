import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { run } from '../support/command.ts'
import { type Image, image, multiArchitecture } from '../support/images.ts'
import { missingFrom } from '../support/layout-reader.ts'
import { LocalServer } from '../support/local-server.ts'
import { writeLayout } from '../support/oci-layout.ts'
import { digestOf, randomBytesOf } from '../support/random-bytes.ts'
import { describeWith, findTool } from '../support/requirements.ts'
import { TempDir } from '../support/temp-dir.ts'

const MIB = 1 << 20

describeWith({ tools: ['regctl'] }, 'regctl', () => {
  const scratch = new TempDir()
  let server: LocalServer

  beforeAll(async () => {
    server = await LocalServer.start()
    await regctl('registry', 'set', server.host, '--tls', 'disabled', '--skip-check')
  })

  afterAll(async () => {
    await server?.stop()
    scratch.remove()
  })

  function regctl(...args: string[]): Promise<string> {
    return run(findTool('regctl') ?? 'regctl', args, { env: { REGCTL_CONFIG: scratch.join('config.json') } })
  }

  async function push(repository: string, what: Image): Promise<string> {
    const name = `${server.host}/regctl/${repository}`
    const layout = writeLayout(scratch.join(`in-${repository}`), { 1: what })
    await regctl('image', 'copy', `ocidir://${layout}:1`, `${name}:1`)
    return name
  }

  test.each([
    ['an image', image('regctl')],
    ['an index with every image under it', multiArchitecture('regctl')],
  ])('%s comes back byte for byte', async (_, what) => {
    const folder = scratch.join(what.manifest.digest.slice(7))
    const name = await push('copy', what)

    await regctl('image', 'copy', `${name}:1`, `ocidir://${folder}:1`)

    expect(missingFrom(folder, what)).toEqual([])
  })

  test('a blob is uploaded in chunks when the client is configured to', async () => {
    const config = { env: { REGCTL_CONFIG: scratch.join('chunked.json') } }
    const chunked = ['--blob-max', `${MIB}`, '--blob-chunk', `${MIB}`]
    const command = findTool('regctl') ?? 'regctl'
    await run(
      command,
      ['registry', 'set', server.host, '--tls', 'disabled', '--skip-check', ...chunked],
      config,
    )
    const large = image('regctl-chunked', { layers: 1, layerSize: 5 * MIB + 123 })
    const folder = scratch.join('chunked')
    const layout = writeLayout(scratch.join('in-chunked'), { 1: large })

    await run(command, ['image', 'copy', `ocidir://${layout}:1`, `${server.host}/regctl/chunked:1`], config)
    await regctl('image', 'copy', `${server.host}/regctl/chunked:1`, `ocidir://${folder}:1`)

    expect(missingFrom(folder, large)).toEqual([])
    expect(server.logs.match(/"PATCH"/g)?.length).toBeGreaterThanOrEqual(5)
  })

  test('a copy includes referrers and digest tags', async () => {
    const plain = image('regctl-referrers')
    const name = await push('referrers', plain)
    const target = `${server.host}/regctl/referrers-copy`
    const file = scratch.write('sbom.json', '{"sbom":true}')
    const artifact = ['--artifact-type', 'application/vnd.example.sbom', '--subject', `${name}:1`, '-f', file]
    await regctl('artifact', 'put', ...artifact)
    const digestTag = `${plain.manifest.digest.replace(':', '-')}.sig`
    await regctl('image', 'copy', `${name}:1`, `${name}:${digestTag}`)

    await regctl('image', 'copy', '--referrers', '--digest-tags', `${name}:1`, `${target}:1`)

    const referrers = JSON.parse(
      await regctl('artifact', 'list', '--format', '{{json .Descriptors}}', `${target}:1`),
    )
    expect(referrers).toMatchObject([{ artifactType: 'application/vnd.example.sbom' }])
    expect((await regctl('tag', 'ls', target)).trim().split('\n')).toEqual(['1', digestTag])
  })

  test('an image rewritten with sha512 digests is pushed and comes back', async () => {
    const name = await push('sha512', image('regctl-sha512'))
    const folder = scratch.join('sha512')

    await regctl('image', 'mod', `${name}:1`, '--digest-algo', 'sha512', '--create', `${name}:sha512`)
    await regctl('image', 'copy', `${name}:sha512`, `ocidir://${folder}:1`)

    const manifest = JSON.parse(await regctl('manifest', 'get', '--format', '{{json .}}', `${name}:sha512`))
    expect(manifest.layers[0].digest).toMatch(/^sha512:/)
  })

  test('a blob is pushed and read under its sha512 digest', async () => {
    const name = `${server.host}/regctl/sha512-blob`
    const digest = digestOf(Buffer.from('a blob'), 'sha512')

    await run(findTool('regctl') ?? 'regctl', ['blob', 'put', '--digest', digest, name], {
      input: 'a blob',
      env: { REGCTL_CONFIG: scratch.join('config.json') },
    })

    expect(await regctl('blob', 'get', name, digest)).toBe('a blob')
  })

  test('an index is created from images of two repositories', async () => {
    const amd64 = await push('parts', image('regctl-amd64', { architecture: 'amd64' }))
    const arm64 = await push('other-parts', image('regctl-arm64', { architecture: 'arm64' }))

    await regctl('index', 'create', `${amd64}:both`, '--ref', `${amd64}:1`, '--ref', `${arm64}:1`)

    const index = JSON.parse(await regctl('manifest', 'get', '--format', '{{json .}}', `${amd64}:both`))
    expect(index.manifests).toHaveLength(2)
  })

  test('a removed tag leaves the other tags of its image', async () => {
    const name = await push('untagged', image('regctl-tags'))
    await regctl('image', 'copy', `${name}:1`, `${name}:2`)

    await regctl('tag', 'rm', `${name}:1`)

    expect((await regctl('tag', 'ls', name)).trim()).toBe('2')
  })

  test('repositories are listed', async () => {
    await push('listed', image('regctl-listed'))

    const names = (await regctl('repo', 'ls', server.host)).split('\n')

    expect(names).toContain('regctl/listed')
  })

  test('a layer of random bytes comes back unchanged', async () => {
    const bytes = randomBytesOf('regctl-blob', 3 * MIB)
    const name = `${server.host}/regctl/blob`
    const file = scratch.write('blob.bin', bytes)
    await regctl(
      'artifact',
      'put',
      '--artifact-type',
      'application/vnd.example',
      '--file-title',
      '--strip-dirs',
      '-f',
      file,
      `${name}:1`,
    )

    await regctl('artifact', 'get', '--output', scratch.folder('out'), `${name}:1`)

    expect(bytes.equals(readFileSync(scratch.join('out', 'blob.bin')))).toBe(true)
  })
})
