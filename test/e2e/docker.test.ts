import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { writeDockerArchive } from '../support/docker-archive.ts'
import { Dockerd } from '../support/dockerd.ts'
import { LocalServer } from '../support/local-server.ts'
import { randomBatches, randomBytesOf } from '../support/random-bytes.ts'
import { describeWith } from '../support/requirements.ts'
import { tar, tarFile, writeTar } from '../support/tar.ts'
import { TempDir } from '../support/temp-dir.ts'

const MIB = 1 << 20

describeWith({ tools: ['docker', 'dockerd'], root: true, linux: true }, 'Docker Engine', () => {
  const scratch = new TempDir()
  let server: LocalServer
  let engine: Dockerd

  beforeAll(async () => {
    server = await LocalServer.start()
    engine = await Dockerd.start()
  })

  afterAll(async () => {
    await engine?.stop()
    await server?.stop()
    scratch.remove()
  })

  /** Imports an archive of one file, as `docker import` makes an image of one layer. */
  async function importImage(name: string, size = 10_000): Promise<string> {
    const file = { name: 'file.bin', size, content: randomBatches(randomUUID(), size) }
    await engine.docker('import', writeTar(scratch.join('import.tar'), [file]), name)
    return engine.imageId(name)
  }

  /** Loads an image of three layers. */
  async function loadImage(name: string): Promise<string> {
    const layers = [0, 1, 2].map(at => tar(tarFile(`${at}.bin`, randomBytesOf(randomUUID(), 50_000))))
    const id = writeDockerArchive(scratch.join('load.tar'), name, layers)
    await engine.docker('load', '-i', scratch.join('load.tar'))
    return id
  }

  test('an imported image that was pushed and removed comes back the same', async () => {
    const name = `${server.host}/docker/imported:1`
    const pushed = await importImage(name)

    await engine.docker('push', name)
    await engine.docker('image', 'rm', name)
    await engine.docker('pull', name)

    expect(await engine.imageId(name)).toBe(pushed)
  })

  test('an image of several layers comes back the same', async () => {
    const name = `${server.host}/docker/layers:1`
    const pushed = await loadImage(name)

    await engine.docker('push', name)
    await engine.docker('image', 'rm', name)
    await engine.docker('pull', name)

    expect(await engine.imageId(name)).toBe(pushed)
  })

  test('an image is pulled by the digest that the push printed', async () => {
    const name = `${server.host}/docker/digest`
    const pushed = await loadImage(`${name}:1`)
    const digest = /digest: (sha256:\w+)/.exec(await engine.docker('push', `${name}:1`))?.[1]
    await engine.docker('image', 'rm', `${name}:1`)

    await engine.docker('pull', `${name}@${digest}`)

    expect(await engine.imageId(`${name}@${digest}`)).toBe(pushed)
  })

  test('a second push uploads nothing', async () => {
    const name = `${server.host}/docker/again:1`
    await loadImage(name)
    await engine.docker('push', name)

    const printed = await engine.docker('push', name)

    expect(printed.match(/Layer already exists/g)).toHaveLength(3)
    expect(printed).not.toContain('Pushed')
  })

  test('the layers of one repository are mounted into another', async () => {
    const source = `${server.host}/docker/source:1`
    const target = `${server.host}/docker/target:1`
    await loadImage(source)
    await engine.docker('push', source)
    await engine.docker('tag', source, target)

    const printed = await engine.docker('push', target)

    expect(printed.match(/Mounted from docker\/source/g)).toHaveLength(3)
  })

  test('all tags of a repository are pushed at once', async () => {
    const name = `${server.host}/docker/tags`
    const pushed = await importImage(`${name}:one`)
    await engine.docker('tag', `${name}:one`, `${name}:two`)

    await engine.docker('push', '--all-tags', name)
    await engine.docker('image', 'rm', `${name}:one`, `${name}:two`)
    await engine.docker('pull', '--all-tags', name)

    expect(await engine.imageId(`${name}:one`)).toBe(pushed)
    expect(await engine.imageId(`${name}:two`)).toBe(pushed)
  })

  test('a missing image is reported in a sentence', async () => {
    const pulled = engine.docker('pull', `${server.host}/docker/nothing:1`)

    await expect(pulled).rejects.toThrow(/manifest .*unknown|not found/)
  })

  test('a layer of 320 MiB comes back the same', async () => {
    const name = `${server.host}/docker/large:1`
    const pushed = await importImage(name, 320 * MIB)

    await engine.docker('push', name)
    await engine.docker('image', 'rm', name)
    await engine.docker('pull', name)

    expect(await engine.imageId(name)).toBe(pushed)
  })
})
