import { afterAll, beforeAll, expect, test } from 'vitest'
import { run } from '../support/command.ts'
import { type Image, image, multiArchitecture } from '../support/images.ts'
import { missingFrom } from '../support/layout-reader.ts'
import { LocalServer } from '../support/local-server.ts'
import { writeLayout } from '../support/oci-layout.ts'
import { describeWith, findTool } from '../support/requirements.ts'
import { tarFile, writeTar } from '../support/tar.ts'
import { TempDir } from '../support/temp-dir.ts'

describeWith({ tools: ['crane'] }, 'crane', () => {
  const scratch = new TempDir()
  let server: LocalServer

  beforeAll(async () => {
    server = await LocalServer.start()
  })

  afterAll(async () => {
    await server?.stop()
    scratch.remove()
  })

  const crane = async (...args: string[]) => (await run(findTool('crane') ?? 'crane', args)).trim()

  async function push(repository: string, what: Image): Promise<string> {
    const name = `${server.host}/crane/${repository}`
    await crane('push', writeLayout(scratch.join(`in-${repository}`), { 1: what }), `${name}:1`)
    return name
  }

  async function pulled(name: string): Promise<string> {
    const folder = scratch.join(name.replace(/\W/g, '-'))
    await crane('pull', '--format=oci', name, folder)
    return folder
  }

  test('an image comes back byte for byte', async () => {
    const plain = image('crane')

    const name = await push('plain', plain)

    expect(missingFrom(await pulled(`${name}:1`), plain)).toEqual([])
  })

  test('an index comes back with every image under it', async () => {
    const index = multiArchitecture('crane')

    const name = await push('index', index)

    expect(missingFrom(await pulled(`${name}:1`), index)).toEqual([])
  })

  test('a pushed image passes the validation of all layers', async () => {
    const name = await push('valid', image('crane-valid', { layers: 5 }))

    const output = await crane('validate', '--remote', `${name}:1`)

    expect(output).toContain('PASS')
  })

  test('an image is copied to another repository with its digest', async () => {
    const plain = image('crane-copy')
    const name = await push('source', plain)

    await crane('copy', `${name}:1`, `${server.host}/crane/target:2`)

    expect(await crane('digest', `${server.host}/crane/target:2`)).toBe(plain.manifest.digest)
  })

  test('a layer is appended', async () => {
    const name = await push('append', image('crane-append', { layers: 2 }))
    const layer = writeTar(scratch.join('layer.tar'), [tarFile('more.txt', 'more')])

    await crane('append', '-b', `${name}:1`, '-f', layer, '-t', `${name}:more`)

    expect(JSON.parse(await crane('manifest', `${name}:more`)).layers).toHaveLength(3)
  })

  test('a label is set', async () => {
    const name = await push('mutate', image('crane-mutate'))

    await crane('mutate', `${name}:1`, '--label', 'colour=blue', '-t', `${name}:blue`)

    expect(JSON.parse(await crane('config', `${name}:blue`)).config.Labels).toMatchObject({ colour: 'blue' })
  })

  test('a tag that was set is listed', async () => {
    const name = await push('tags', image('crane-tags'))

    await crane('tag', `${name}:1`, 'zwei')

    expect(await crane('ls', name)).toBe('1\nzwei')
  })

  test('a pushed repository is in the catalog', async () => {
    await push('catalogued', image('crane-catalog'))

    const names = (await crane('catalog', server.host)).split('\n')

    expect(names).toContain('crane/catalogued')
  })

  test('a deleted image is gone', async () => {
    const plain = image('crane-delete')
    const name = await push('delete', plain)

    await crane('delete', `${name}@${plain.manifest.digest}`)

    await expect(crane('digest', `${name}:1`)).rejects.toThrow(/MANIFEST_UNKNOWN|404/)
  })

  test('a blob is read', async () => {
    const plain = image('crane-blob')
    const [config] = plain.blobs
    const name = await push('blob', plain)

    const read = await crane('blob', `${name}@${config?.digest}`)

    expect(read).toBe(config?.bytes.toString())
  })
})
