import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { run } from '../support/command.ts'
import { ContainersStorage } from '../support/containers-storage.ts'
import { Dockerd } from '../support/dockerd.ts'
import { artifact, image, multiArchitecture } from '../support/images.ts'
import { missingFrom } from '../support/layout-reader.ts'
import { LocalServer } from '../support/local-server.ts'
import { writeLayout, writeLayoutArchive } from '../support/oci-layout.ts'
import { RegistryClient } from '../support/registry-client.ts'
import { describeWith, findTool } from '../support/requirements.ts'
import { tarFile, writeTar } from '../support/tar.ts'
import { TempDir } from '../support/temp-dir.ts'

const COMMAND = ['cli/longshore.js']

const scratch = new TempDir()
let server: LocalServer
beforeAll(async () => {
  server = await LocalServer.start()
})
afterAll(async () => {
  await server?.stop()
  scratch.remove()
})

const env = () => ({ DOCKER_CONFIG: scratch.folder('config'), TMPDIR: scratch.folder('tmp') })
const longshore = (...args: string[]) => run(process.execPath, [...COMMAND, ...args], { env: env() })
/** A line of the shell, in which `longshore` is the command. */
const shell = (line: string) => {
  const command = `longshore() { '${process.execPath}' ${COMMAND.join(' ')} "$@"; }`
  return run('bash', ['-c', `set -o pipefail; ${command}; ${line}`], { env: env() })
}
const client = (repository: string) => new RegistryClient(server.url, repository)
const digestOf = async (name: string) => {
  const bytes = await client(name).pullManifest('1', '*/*')
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

const one = image('archives', { layers: 3, layerSize: 100_000 })
const many = multiArchitecture('archives')

describeWith({ tools: ['docker', 'dockerd'], root: true, linux: true }, 'Docker Engine', () => {
  let engine: Dockerd
  beforeAll(async () => {
    engine = await Dockerd.start()
  })
  afterAll(() => engine?.stop())

  /** An image of the engine, made of a file system. */
  async function imported(name: string): Promise<string> {
    const root = writeTar(scratch.join('root.tar'), [tarFile('hello.txt', 'hello '.repeat(10_000))])
    await engine.docker('import', root, name)
    return engine.imageId(name)
  }

  test('pulls the image that docker save wrote, with the same id', async () => {
    const name = `${server.host}/archives/saved:1`
    const id = await imported(name)
    await engine.docker('save', '-o', scratch.join('saved.tar'), name)

    await shell(`cat ${scratch.join('saved.tar')} | longshore push - ${name}`)

    await engine.docker('image', 'rm', name)
    await engine.docker('pull', name)
    expect(await engine.imageId(name)).toBe(id)
  })

  test('pulls an image whose layers were compressed, with the same id', async () => {
    const name = `${server.host}/archives/compressed:1`
    const id = await imported(name)
    await engine.docker('save', '-o', scratch.join('compressed.tar'), name)

    await longshore('push', scratch.join('compressed.tar'), name, '--compress')

    const { layers } = JSON.parse((await client('archives/compressed').pullManifest('1', '*/*')).toString())
    expect(layers[0].size).toBeLessThan(10_000)
    await engine.docker('image', 'rm', name)
    await engine.docker('pull', name)
    expect(await engine.imageId(name)).toBe(id)
  })

  test('loads an archive that was pulled, with the same id and the same name', async () => {
    const name = `${server.host}/archives/loaded:1`
    await client('archives/loaded').pushImage(one, '1')
    await longshore('pull', name, scratch.join('loaded.tar'), '--platform', 'linux/amd64')

    await engine.docker('load', '-i', scratch.join('loaded.tar'))

    expect(await engine.imageId(name)).toBe(one.blobs[0]?.digest)
  })
})

describeWith({ tools: ['podman'], root: true, linux: true }, 'podman', () => {
  let podman: ContainersStorage
  beforeAll(() => {
    podman = new ContainersStorage('podman')
  })
  afterAll(() => podman?.stop())

  test.each(['docker-archive', 'oci-archive'])(
    'pulls the image that it saved as %s, with the same id',
    async format => {
      const name = `${server.host}/archives/podman-${format}:1`
      const archive = scratch.join(`podman-${format}.tar`)
      writeLayoutArchive(scratch.join('podman.tar'), { 1: one })
      const id = (await podman.run('pull', '--quiet', `oci-archive:${scratch.join('podman.tar')}`)).trim()
      await podman.run('tag', id, name)
      await podman.run('save', '--format', format, '-o', archive, name)

      await longshore('push', archive, name)

      await podman.run('rmi', '--all', '--force')
      expect((await podman.run('pull', '--quiet', '--tls-verify=false', name)).trim()).toBe(id)
    },
  )

  test.each(['docker', 'oci'])('loads an archive of the format %s', async format => {
    const name = `${server.host}/archives/podman-load:1`
    await client('archives/podman-load').pushImage(one, '1')
    const archive = scratch.join(`load-${format}.tar`)
    await longshore('pull', name, archive, '--format', format)

    await podman.run('load', '-i', archive)

    expect(await podman.run('images', '--no-trunc', '--quiet')).toContain(one.blobs[0]?.digest)
    await podman.run('rmi', '--all', '--force')
  })
})

describeWith({ tools: ['skopeo'] }, 'skopeo', () => {
  const skopeo = (...args: string[]) => run('skopeo', ['--insecure-policy', ...args])

  test.each(['oci-archive', 'oci'])(
    'writes an index as %s that is pushed with the same digests',
    async format => {
      const source = writeLayout(scratch.join(`in-${format}`), { 1: many })
      await skopeo('copy', '--all', `oci:${source}:1`, `${format}:${scratch.join(`skopeo-${format}`)}:1`)

      await longshore('push', scratch.join(`skopeo-${format}`), `${server.host}/skopeo/${format}:1`)

      expect(await client(`skopeo/${format}`).missing(many)).toEqual([])
    },
  )

  test('writes a docker-archive that is pushed with the same image id', async () => {
    const source = writeLayout(scratch.join('in-docker'), { 1: one })
    await skopeo('copy', `oci:${source}:1`, `docker-archive:${scratch.join('skopeo-docker.tar')}:app:1`)

    await longshore('push', scratch.join('skopeo-docker.tar'), `${server.host}/skopeo/docker:1`)

    const manifest = JSON.parse((await client('skopeo/docker').pullManifest('1', '*/*')).toString())
    expect(manifest.config.digest).toBe(one.blobs[0]?.digest)
  })

  test('reads what was pulled: a layout with the same digests, an archive with the same layers', async () => {
    await client('skopeo/pulled').pushImage(many, '1')
    const name = `${server.host}/skopeo/pulled:1`
    await longshore('pull', name, scratch.join('pulled'))
    await longshore('pull', name, scratch.join('pulled.tar'), '--platform', 'linux/arm64')

    await skopeo('copy', '--all', `oci:${scratch.join('pulled')}:1`, `oci:${scratch.join('again')}:1`)

    expect(missingFrom(scratch.join('again'), many)).toEqual([])
    const config = await skopeo(
      'inspect',
      '--config',
      '--raw',
      `docker-archive:${scratch.join('pulled.tar')}`,
    )
    expect(config).toBe(many.children[1]?.blobs[0]?.bytes.toString())
  })
})

describeWith({ tools: ['oras'] }, 'oras', () => {
  const oras = (...args: string[]) => run(findTool('oras') ?? 'oras', args, { cwd: scratch.path })

  test('finds the referrers of an image that was pushed from its layout, and of one that was pulled into one', async () => {
    const signature = artifact('example/signature', 'signed', one.manifest)
    const from = client('oras/from')
    await from.pushImage(one, '1')
    await from.pushImage(signature, signature.manifest.digest)
    await oras('cp', '-r', '--from-plain-http', '--to-oci-layout', `${server.host}/oras/from:1`, 'layout:1')

    await longshore('push', scratch.join('layout'), `${server.host}/oras/to:1`)
    expect(await oras('discover', '--plain-http', '--format', 'json', `${server.host}/oras/to:1`)).toContain(
      signature.manifest.digest,
    )

    await longshore('pull', `${server.host}/oras/to:1`, scratch.join('back'), '--referrers')
    expect(await oras('discover', '--oci-layout', '--format', 'json', 'back:1')).toContain(
      signature.manifest.digest,
    )
  })
})

describeWith({ tools: ['regctl'] }, 'regctl', () => {
  const regctl = (...args: string[]) =>
    run(findTool('regctl') ?? 'regctl', args, { env: { REGCTL_CONFIG: scratch.join('regctl.json') } })
  beforeAll(() => regctl('registry', 'set', server.host, '--tls', 'disabled', '--skip-check'))

  test('exports an archive that is pushed with the same digests, and imports one that was pulled', async () => {
    await client('regctl/from').pushImage(many, '1')
    await regctl('image', 'export', `${server.host}/regctl/from:1`, scratch.join('regctl.tar'))

    await longshore('push', scratch.join('regctl.tar'), `${server.host}/regctl/to:1`)
    await longshore('pull', `${server.host}/regctl/to:1`, scratch.join('back.tar'), '--format', 'oci')
    await regctl('image', 'import', `${server.host}/regctl/again:1`, scratch.join('back.tar'))

    expect(await client('regctl/to').missing(many)).toEqual([])
    expect(await client('regctl/again').missing(many)).toEqual([])
  })
})

describeWith({ tools: ['crane'] }, 'crane', () => {
  test('writes an archive that is pushed with the same image id', async () => {
    const crane = (...args: string[]) => run(findTool('crane') ?? 'crane', args)
    await client('crane/from').pushImage(one, '1')
    await crane('pull', '--insecure', `${server.host}/crane/from:1`, scratch.join('crane.tar'))

    await longshore('push', scratch.join('crane.tar'), `${server.host}/crane/to:1`)

    const manifest = JSON.parse((await client('crane/to').pullManifest('1', '*/*')).toString())
    expect(manifest.config.digest).toBe(one.blobs[0]?.digest)
  })
})

describe('an archive on standard output', () => {
  test('is pushed from standard input', async () => {
    await client('pipe/from').pushImage(many, '1')
    const [from, to] = [`${server.host}/pipe/from:1`, `${server.host}/pipe/to:1`]

    await shell(`longshore pull ${from} - --format oci | longshore push - ${to}`)

    expect(await digestOf('pipe/to')).toBe(many.manifest.digest)
    expect(readdirSync(scratch.join('tmp'))).toEqual([])
  })
})
