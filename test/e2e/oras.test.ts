import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { run } from '../support/command.ts'
import { image, multiArchitecture } from '../support/images.ts'
import { missingFrom } from '../support/layout-reader.ts'
import { LocalServer } from '../support/local-server.ts'
import { writeLayout } from '../support/oci-layout.ts'
import { describeWith, findTool } from '../support/requirements.ts'
import { TempDir } from '../support/temp-dir.ts'

const SBOM = 'application/vnd.example.sbom'
const SIGNATURE = 'application/vnd.example.signature'

interface Referrer {
  readonly artifactType: string
  readonly digest: string
  readonly referrers?: Referrer[]
}

describeWith({ tools: ['oras'] }, 'oras', () => {
  const scratch = new TempDir()
  let server: LocalServer

  beforeAll(async () => {
    server = await LocalServer.start()
  })

  afterAll(async () => {
    await server?.stop()
    scratch.remove()
  })

  const oras = (...args: string[]) => run(findTool('oras') ?? 'oras', args, { cwd: scratch.path })
  const digestIn = (printed: string) => /Digest: (\S+)/.exec(printed)?.[1] ?? 'no digest printed'

  async function pushImage(repository: string): Promise<string> {
    const name = `${server.host}/oras/${repository}:1`
    const layout = writeLayout(scratch.join(`in-${repository}`), { 1: image(`oras-${repository}`) })
    await oras('cp', '--from-oci-layout', `${layout}:1`, '--to-plain-http', name)
    return name
  }

  async function attach(name: string, artifactType: string, content: string): Promise<string> {
    scratch.write(content, content)
    return digestIn(await oras('attach', '--plain-http', '--artifact-type', artifactType, name, content))
  }

  async function discover(name: string, ...flags: string[]): Promise<Referrer[]> {
    const command = [
      'discover',
      '--plain-http',
      '--format',
      'json',
      '--distribution-spec',
      'v1.1-referrers-api',
    ]
    return JSON.parse(await oras(...command, ...flags, name)).referrers ?? []
  }

  test('a pushed file comes back', async () => {
    const name = `${server.host}/oras/file:1`
    scratch.write('file.txt', 'the file')
    await oras('push', '--plain-http', '--artifact-type', SBOM, name, 'file.txt:text/plain')

    await oras('pull', '--plain-http', '-o', 'out', name)

    expect(readFileSync(scratch.join('out', 'file.txt'), 'utf8')).toBe('the file')
  })

  test('an empty file comes back', async () => {
    const name = `${server.host}/oras/empty:1`
    scratch.write('empty.txt', '')
    await oras('push', '--plain-http', '--artifact-type', SBOM, name, 'empty.txt:text/plain')

    await oras('pull', '--plain-http', '-o', 'empty', name)

    expect(readFileSync(scratch.join('empty', 'empty.txt'), 'utf8')).toBe('')
  })

  test('an index is copied with every image under it', async () => {
    const index = multiArchitecture('oras')
    const name = `${server.host}/oras/index:1`
    const layout = writeLayout(scratch.join('index'), { 1: index })

    await oras('cp', '--from-oci-layout', `${layout}:1`, '--to-plain-http', name)
    await oras('cp', '--from-plain-http', name, '--to-oci-layout', `${scratch.join('index-out')}:1`)

    expect(missingFrom(scratch.join('index-out'), index)).toEqual([])
  })

  test('artifacts attached to an image are discovered', async () => {
    const name = await pushImage('attached')

    const sbom = await attach(name, SBOM, 'attached-sbom')
    const signature = await attach(name, SIGNATURE, 'attached-signature')

    const found = (await discover(name)).map(({ digest }) => digest)
    expect(found.sort()).toEqual([sbom, signature].sort())
  })

  test('referrers are filtered by their artifact type', async () => {
    const name = await pushImage('filtered')
    const sbom = await attach(name, SBOM, 'filtered-sbom')
    await attach(name, SIGNATURE, 'filtered-signature')

    const found = await discover(name, '--artifact-type', SBOM)

    expect(found.map(({ digest }) => digest)).toEqual([sbom])
  })

  test('the tree shows a signature of an attached SBOM below it', async () => {
    const name = await pushImage('tree')
    const sbom = await attach(name, SBOM, 'tree-sbom')
    const signature = await attach(name.replace(/:1$/, `@${sbom}`), SIGNATURE, 'tree-signature')

    const [found] = await discover(name)

    expect(found).toMatchObject({ digest: sbom, referrers: [{ digest: signature }] })
  })

  test('a recursive copy includes the referrers', async () => {
    const name = await pushImage('recursive')
    const sbom = await attach(name, SBOM, 'recursive-sbom')
    const copy = `${server.host}/oras/recursive-copy:1`

    await oras('cp', '--recursive', '--from-plain-http', '--to-plain-http', name, copy)

    expect((await discover(copy)).map(({ digest }) => digest)).toEqual([sbom])
  })

  test('a deleted referrer is not discovered', async () => {
    const name = await pushImage('forgotten')
    const sbom = await attach(name, SBOM, 'forgotten-sbom')

    await oras('manifest', 'delete', '--plain-http', '--force', name.replace(/:1$/, `@${sbom}`))

    expect(await discover(name)).toEqual([])
  })

  test('tags and repositories are listed', async () => {
    const name = await pushImage('listed')
    await oras('tag', '--plain-http', name, 'two', 'three')

    const tags = await oras('repo', 'tags', '--plain-http', name.replace(/:1$/, ''))
    const repositories = await oras('repo', 'ls', '--plain-http', server.host)

    expect(tags.trim().split('\n')).toEqual(['1', 'three', 'two'])
    expect(repositories.split('\n')).toContain('oras/listed')
  })

  test('a blob is pushed, fetched and deleted', async () => {
    const name = `${server.host}/oras/blob`
    scratch.write('blob.bin', 'a blob')
    const digest = digestIn(await oras('blob', 'push', '--plain-http', name, 'blob.bin'))
    const fetched = await oras('blob', 'fetch', '--plain-http', '-o', '-', `${name}@${digest}`)

    await oras('blob', 'delete', '--plain-http', '--force', `${name}@${digest}`)

    expect(fetched).toBe('a blob')
    await expect(oras('blob', 'fetch', '--plain-http', '-o', '-', `${name}@${digest}`)).rejects.toThrow()
  })
})
