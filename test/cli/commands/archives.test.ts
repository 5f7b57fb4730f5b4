import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { beforeEach, describe, expect, it } from 'vitest'
import { type CliOptions, longshore as longshoreAt } from '../../support/cli.ts'
import { writeDockerArchive } from '../../support/docker-archive.ts'
import { artifact, type Image, image, multiArchitecture } from '../../support/images.ts'
import { emptyResponse, MemoryServer } from '../../support/memory-server.ts'
import { writeLayout, writeLayoutArchive } from '../../support/oci-layout.ts'
import { tar, tarFile } from '../../support/tar.ts'
import { TempDir } from '../../support/temp-dir.ts'

const one = image('one')
const many = multiArchitecture('many')

let server: MemoryServer
let dir: TempDir
beforeEach(async () => {
  server = await MemoryServer.start()
  dir = new TempDir()
  return async () => {
    await server.stop()
    dir.remove()
  }
})

const scratch = () => dir.folder('scratch')
function longshore(words: string, options: CliOptions = {}) {
  return longshoreAt(words, { cwd: dir.path, ...options, env: { TMPDIR: scratch(), ...options.env } })
}
/** A command that must succeed. */
async function succeed(words: string, options?: CliOptions): Promise<string> {
  const { code, stdout, stderr } = await longshore(words, options)
  expect({ code, stderr: code === 0 ? '' : stderr }, words).toEqual({ code: 0, stderr: '' })
  return stdout
}
/** A command that must fail with one sentence, and leaves no temporary file and no manifest. */
async function fail(words: string, message: string | RegExp, options?: CliOptions): Promise<void> {
  const { code, stdout, stderr } = await longshore(words, options)
  const [error, ...others] = stderr.split('\n').filter(line => line.startsWith('longshore: '))
  expect({ code, stdout, others }).toEqual({ code: 1, stdout: '', others: [] })
  if (typeof message === 'string') expect(error).toBe(`longshore: ${message}`)
  else expect(error).toMatch(message)
  expect(readdirSync(scratch())).toEqual([])
  expect(server.count(/^PUT .*manifests.* 201/)).toBe(0)
}
const app = (tag = 'v1') => `${server.host}/team/app:${tag}`
const missing = (what: Image) => server.repository('team/app').missing(what)

describe('push', () => {
  it.each([
    ['a layout', (images: Record<string, Image>) => writeLayout(dir.join('it'), images)],
    ['an archive', (images: Record<string, Image>) => writeLayoutArchive(dir.join('it'), images)],
  ])('keeps every digest of %s', async (_, write) => {
    write({ v7: many })
    const stdout = await succeed(`push it ${app()}`)
    expect(stdout).toMatch(new RegExp(`^pushed ${app()}@${many.manifest.digest}: \\d.* in \\d.*\n$`))
    expect(await missing(many)).toEqual([])
  })

  it.each([
    ['as it is', (bytes: Buffer) => bytes],
    ['compressed with gzip', (bytes: Buffer) => gzipSync(bytes, { level: 1 })],
    ['compressed with zstd', (bytes: Buffer) => zstdCompressSync(bytes)],
  ])('reads an archive %s from standard input, and leaves no temporary file', async (_, change) => {
    const archive = readFileSync(writeLayoutArchive(dir.join('it'), { v7: many }))
    await succeed(`push - ${app()}`, { input: change(archive) })
    expect(await missing(many)).toEqual([])
    expect(readdirSync(scratch())).toEqual([])
  })

  it('compresses the layers of docker save, keeps the image id, and finds the layers the second time', async () => {
    const layers = ['a', 'b'].map(name => tar(tarFile(name, name.repeat(5000))))
    const id = writeDockerArchive(dir.join('it.tar'), 'app:latest', layers)
    await succeed(`push it.tar ${app()} ${app('v2')}`)
    const pulled = await server.repository('team/app').pullManifest('v2', '*/*')
    const manifest = JSON.parse(pulled.toString())
    expect(manifest.config.digest).toBe(id)
    expect(manifest.layers.every(({ size }: { size: number }) => size < 1000)).toBe(true)
    expect(await succeed(`push it.tar ${app('v3')}`)).toMatch(/ 3 of 3 blobs were there\n$/)
  })

  it('follows the links by which docker save stores a layer once', async () => {
    const layer = tar(tarFile('a', 'content'))
    const diffId = `sha256:${createHash('sha256').update(layer).digest('hex')}`
    const config = JSON.stringify({
      os: 'linux',
      architecture: 'amd64',
      rootfs: { type: 'layers', diff_ids: [diffId, diffId] },
    })
    const manifest = [{ Config: 'c.json', RepoTags: null, Layers: ['1/layer.tar', '2/layer.tar'] }]
    const link = tar(tarFile('2/layer.tar', '')).subarray(0, 512)
    link.write('2', 156)
    link.write('../1/layer.tar', 157)
    link.fill(' ', 148, 156)
    const sum = link.reduce((total, byte) => total + byte, 0)
    link.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    const rest = tar(
      tarFile('1/layer.tar', layer),
      tarFile('c.json', config),
      tarFile('manifest.json', JSON.stringify(manifest)),
    )
    dir.write('it.tar', Buffer.concat([link, rest]))
    await succeed(`push it.tar ${app()}`)
    const { layers } = JSON.parse((await server.repository('team/app').pullManifest('v1', '*/*')).toString())
    expect(new Set(layers.map(({ digest }: { digest: string }) => digest)).size).toBe(1)
  })

  it('brings referrers of a layout, and leaves them out when told to', async () => {
    const signature = artifact('example/signature', 'signed', one.manifest)
    writeLayout(dir.join('it'), { v1: one, 'sha256-signature': signature })
    await succeed(`push it ${app()}`)
    expect(await missing(signature)).toEqual([])
    expect(await succeed(`push it ${server.host}/other:v1 --no-referrers`)).toContain(one.manifest.digest)
    expect(server.count(new RegExp(`PUT /v2/other/manifests/${signature.manifest.digest}`))).toBe(0)
  })

  it('pushes the image of one platform', async () => {
    writeLayout(dir.join('it'), { v1: many })
    await succeed(`push it ${app()} --platform linux/arm64`)
    expect(await missing(many.children[1] ?? one)).toEqual([])
    expect(server.served).toContain('PUT /v2/team/app/manifests/v1 201')
    expect(server.count(/PUT .*manifests/)).toBe(1)
  })

  it('pushes the image that --image names', async () => {
    writeLayout(dir.join('it'), { v1: one, v2: many })
    await succeed(`push it ${app()} --image v2`)
    expect(await missing(many)).toEqual([])
  })

  it.each([
    ['--user', '--user ann', {}, 'ann:secret'],
    ['LONGSHORE_USER', '', { LONGSHORE_USER: 'ann' }, 'ann:secret'],
    [
      'LONGSHORE_USER of another registry',
      '',
      { LONGSHORE_USER: 'ann', LONGSHORE_REGISTRY: 'other.example' },
      undefined,
    ],
  ])('logs in as %s says', async (_, flags, env, expected) => {
    writeLayout(dir.join('it'), { v1: one })
    const logins = new Set<string | undefined>()
    server.intercept = ({ headers: { authorization } }) => {
      if (authorization === undefined) return emptyResponse(401, { 'www-authenticate': 'Basic realm="it"' })
      logins.add(Buffer.from(authorization.slice(6), 'base64').toString())
      return undefined
    }
    const options = { env: { LONGSHORE_PASSWORD: 'secret', ...env } }
    const { code } = await longshore(`push it ${app()} ${flags}`.trim(), options)
    expect([...logins]).toEqual(expected ? [expected] : [])
    expect(code).toBe(expected ? 0 : 1)
  })

  it('logs in as the configuration of Docker says', async () => {
    writeLayout(dir.join('it'), { v1: one })
    dir.write('config.json', JSON.stringify({ auths: { [server.host]: { auth: btoa('ann:kept') } } }))
    server.intercept = ({ headers: { authorization } }) =>
      authorization === `Basic ${btoa('ann:kept')}`
        ? undefined
        : emptyResponse(401, { 'www-authenticate': 'Basic realm="it"' })
    await succeed(`push it ${app()}`, { env: { DOCKER_CONFIG: dir.path } })
    expect(server.served.at(-1)).toBe('PUT /v2/team/app/manifests/v1 201')
  })

  it('prints events and totals with --json', async () => {
    writeLayout(dir.join('it'), { v1: one })
    const events = (await succeed(`push it ${app()} --json`))
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    expect(events.filter(({ event, state }) => event === 'blob' && state === 'copied')).toHaveLength(3)
    expect(events.at(-1)).toEqual({
      event: 'done',
      what: 'pushed',
      image: app(),
      digest: one.manifest.digest,
      blobs: 3,
      copiedBlobs: 3,
      bytes: expect.any(Number),
      copiedBytes: expect.any(Number),
      manifests: 1,
      seconds: expect.any(Number),
    })
  })

  it('prints a line for each blob where there is no terminal', async () => {
    writeLayout(dir.join('it'), { v1: one })
    const { stderr } = await longshore(`push it ${app()}`)
    expect(stderr.split('\n').filter(line => /^[0-9a-f]{12}: done \(.*\)$/.test(line))).toHaveLength(3)
  })

  it('asks for a name when there are several images', async () => {
    writeLayout(dir.join('it'), { v1: one, v2: many })
    await fail(`push it ${app()}`, 'it has 2 images: choose one with --image; they are v1, v2')
    await fail(`push it ${app()} --image v3`, 'it has no image named "v3"; it has v1, v2')
  })

  it('refuses an archive that is cut off, before anything is sent', async () => {
    const archive = readFileSync(writeLayoutArchive(dir.join('whole'), { v1: one }))
    dir.write('it', archive.subarray(0, archive.length - 2000))
    await fail(`push it ${app()}`, 'it is cut off: it ends within a file')
    await fail(`push - ${app()}`, 'standard input is damaged: unexpected end of file', {
      input: gzipSync(archive).subarray(0, 1000),
    })
    expect(server.served).toEqual([])
  })

  it.each([
    ['nothing', '', 'it is empty'],
    ['text', 'no archive '.repeat(100), 'it is not a tar archive'],
    ['xz', Buffer.from('fd377a585a0000', 'hex'), 'it is compressed with xz: decompress it first'],
    [
      'a file system',
      tar(tarFile('etc/passwd', 'root')),
      'it is not an image: it has neither index.json (OCI layout) nor manifest.json (docker save)',
    ],
    [
      'a path with ..',
      tar(tarFile('../index.json', '{}')),
      'it has an entry that leads out of it: "../index.json"',
    ],
    [
      'an absolute path',
      tar(tarFile('/index.json', '{}')),
      'it has an entry that leads out of it: "/index.json"',
    ],
    ['no JSON', tar(tarFile('index.json', '{')), 'index.json of it is not JSON'],
    ['another JSON', tar(tarFile('index.json', '[]')), 'index.json of it is not an image index'],
    ['no images', tar(tarFile('index.json', '{"manifests":[]}')), 'it has no images'],
    [
      'no digest',
      tar(tarFile('index.json', '{"manifests":[{"digest":"sha256:../../etc"}]}')),
      'index.json of it has a digest that is none: "sha256:../../etc"',
    ],
    [
      'another manifest.json',
      tar(tarFile('manifest.json', '{}')),
      'manifest.json of it is not one of docker save',
    ],
    [
      'a missing layer',
      tar(
        tarFile('manifest.json', '[{"Config":"c.json","Layers":["l.tar"]}]'),
        tarFile('c.json', '{"rootfs":{"diff_ids":["sha256:1"]}}'),
      ),
      'it has no l.tar, which its manifest.json lists as a layer',
    ],
  ])('refuses %s with one sentence', async (_, content, message) => {
    dir.write('it', content)
    await fail(`push it ${app()}`, message)
  })

  it('refuses a layer of docker save with wrong bytes', async () => {
    const layer = tar(tarFile('a', 'content'))
    writeDockerArchive(dir.join('it'), 'app:latest', [layer])
    const bytes = readFileSync(dir.join('it'))
    bytes.write('damaged', bytes.indexOf('content'))
    writeFileSync(dir.join('it'), bytes)
    await fail(
      `push it ${app()}`,
      /^longshore: layer 0.tar of it has other bytes than its digest sha256:\w+ says$/,
    )
  })

  it('refuses a layout that lacks a blob, or has one with wrong bytes', async () => {
    const layer = one.blobs[1]
    const path = `it/blobs/${layer?.digest.replace(':', '/')}`
    writeLayout(dir.join('it'), { v1: one })
    writeFileSync(dir.join(path), Buffer.alloc(layer?.size ?? 0))
    await fail(`push it ${app()}`, `blob ${layer?.digest} of it has other bytes than its digest says`)
    writeFileSync(dir.join(path), 'short')
    await fail(`push it ${app()}`, `blob ${layer?.digest} of it ends after 5 of ${layer?.size} bytes`)
    writeLayoutArchive(dir.join('all.tar'), { v1: { ...one, blobs: one.blobs.slice(1) } })
    await fail(
      `push all.tar ${server.host}/other`,
      `all.tar has no blobs/${one.blobs[0]?.digest.replace(':', '/')}`,
    )
  })

  it('names the platform that an index lists and the archive lacks', async () => {
    writeLayout(dir.join('it'), { v1: { ...many, children: many.children.slice(0, 1) } })
    await fail(
      `push it ${app()}`,
      /^longshore: it has no blobs\/.*: choose one that is there with --platform$/,
    )
    await succeed(`push it ${app()} --platform linux/amd64`)
  })

  it('refuses a digest that the archive does not have', async () => {
    writeLayout(dir.join('it'), { v1: one })
    const other = many.manifest.digest
    await fail(`push it ${server.host}/team/app@${other}`, `it has ${one.manifest.digest}, not ${other}`)
  })

  it('fails with the reason of the registry', async () => {
    writeLayout(dir.join('it'), { v1: one })
    server.intercept = ({ method }) => {
      const body = Buffer.from('{"errors":[{"code":"DENIED","message":"you may not push"}]}')
      if (method !== 'POST') return undefined
      return { status: 403, headers: { 'content-length': String(body.length) }, body }
    }
    await fail(`push it ${app()}`, `${server.host} refused an upload to team/app: you may not push (403)`)
  })

  it('fails with one sentence when the registry vanishes', async () => {
    writeLayout(dir.join('it'), { v1: one })
    await server.stop()
    await fail(`push it ${app()}`, new RegExp(`^longshore: cannot reach ${server.host}: `))
  })
})

describe('pull', () => {
  beforeEach(() => server.repository('team/app').pushImage(many, 'v1'))
  const entriesOf = (path: string) => JSON.parse(readFileSync(dir.join(path, 'index.json'), 'utf8')).manifests

  it('writes a layout that can be pushed with the same digests', async () => {
    const stdout = await succeed(`pull ${app()} out`)
    expect(stdout).toMatch(new RegExp(`^pulled ${app()}@${many.manifest.digest}: `))
    await succeed(`push out ${server.host}/again:v1`)
    expect(await server.repository('again').missing(many)).toEqual([])
    expect(entriesOf('out')).toEqual([
      expect.objectContaining({
        digest: many.manifest.digest,
        annotations: { 'org.opencontainers.image.ref.name': 'v1', 'io.containerd.image.name': app() },
      }),
    ])
  })

  it('adds an image to a layout, and moves a tag of it', async () => {
    await server.repository('team/app').pushImage(one, 'v2')
    await succeed(`pull ${app()} out`)
    await succeed(`pull ${app('v2')} out`)
    await server.repository('team/app').pushImage(one, 'v1')
    expect(await succeed(`pull ${app()} out`)).toContain('3 of 3 blobs were there')
    expect(entriesOf('out').map(({ digest }: { digest: string }) => digest)).toEqual([
      one.manifest.digest,
      one.manifest.digest,
    ])
    expect(readdirSync(dir.join('out')).sort()).toEqual(['blobs', 'index.json', 'oci-layout'])
  })

  it.each([
    ['docker', '--platform linux/arm64', many.children[1] ?? one],
    ['oci', '', many],
  ])(
    'writes an archive of the format %s that can be pushed with the same digests',
    async (format, flags, image) => {
      await succeed(`pull ${app()} out.tar --format ${format} ${flags}`.trim())
      await succeed(`push out.tar ${server.host}/again:v1`)
      expect(await server.repository('again').missing(image)).toEqual([])
      expect(readdirSync(dir.path).filter(name => name.includes('out'))).toEqual(['out.tar'])
    },
  )

  it('writes the same bytes each time', async () => {
    await succeed(`pull ${app()} a.tar --platform linux/amd64`)
    await succeed(`pull ${app()} b.tar --platform linux/amd64`)
    expect(readFileSync(dir.join('a.tar')).equals(readFileSync(dir.join('b.tar')))).toBe(true)
  })

  it('brings referrers when told to', async () => {
    const signature = artifact('example/signature', 'signed', many.manifest)
    await server.repository('team/app').pushImage(signature, signature.manifest.digest)
    await succeed(`pull ${app()} out --referrers`)
    await succeed(`push out ${server.host}/again:v1`)
    expect(await server.repository('again').missing(signature)).toEqual([])
  })

  it('replaces no file but with --force', async () => {
    dir.write('out.tar', 'precious')
    const { code, stderr } = await longshore(`pull ${app()} out.tar`)
    expect({ code, stderr }).toEqual({ code: 1, stderr: 'longshore: out.tar exists: --force replaces it\n' })
    expect(readFileSync(dir.join('out.tar'), 'utf8')).toBe('precious')
    await succeed(`pull ${app()} out.tar --force --platform linux/amd64`)
    expect(readFileSync(dir.join('out.tar'), 'utf8')).not.toBe('precious')
  })

  it('refuses a folder with other files', async () => {
    dir.folder('out')
    dir.write('out/file', '')
    const { code, stderr } = await longshore(`pull ${app()} out`)
    expect(stderr).toBe(`longshore: out has files and is not an OCI layout: name another folder\n`)
    expect({ code, names: readdirSync(dir.join('out')) }).toEqual({ code: 1, names: ['file'] })
  })

  it('refuses an image that docker load cannot read', async () => {
    const chart = artifact('application/example.chart', 'chart')
    await server.repository('team/app').pushImage(chart, 'v3')
    const { stderr } = await longshore(`pull ${app('v3')} out.tar`)
    expect(stderr).toBe(`longshore: ${app('v3')} is not a container image: use --format oci\n`)
  })

  it.each(['out', 'out.tar'])('leaves nothing at %s when it fails', async path => {
    const layer = many.children[0]?.blobs[1]?.digest ?? ''
    server.intercept = ({ path, method }) =>
      method === 'GET' && path.endsWith(layer) ? emptyResponse(404) : undefined
    const { code, stderr } = await longshore(`pull ${app()} ${path} --platform linux/amd64`)
    expect(code).toBe(1)
    expect(stderr).toContain(`longshore: cannot read blob ${layer} of ${server.host}/team/app: `)
    expect(readdirSync(dir.path)).toEqual(['scratch'])
  })

  it.each(['out', 'out.tar'])('leaves nothing at %s after Ctrl-C', async path => {
    let interrupt = () => {}
    server.intercept = ({ path }) => {
      if (path.includes('/blobs/')) interrupt()
      return undefined
    }
    const onInterrupt = (listener: () => void) => {
      interrupt = listener
      return () => {}
    }
    const { code, stderr } = await longshore(`pull ${app()} ${path} --platform linux/amd64`, { onInterrupt })
    expect({ code, stderr }).toEqual({ code: 130, stderr: 'longshore: interrupted\n' })
    expect(readdirSync(dir.path)).toEqual(['scratch'])
  })

  it('leaves a layout as it was when it fails', async () => {
    await succeed(`pull ${app()} out --platform linux/arm64`)
    const before = readdirSync(dir.join('out'), { recursive: true }).sort()
    server.intercept = ({ path, method }) =>
      method === 'GET' && path.endsWith(many.children[0]?.blobs[2]?.digest ?? '')
        ? emptyResponse(404)
        : undefined
    expect((await longshore(`pull ${app()} out`)).code).toBe(1)
    expect(readdirSync(dir.join('out'), { recursive: true }).sort()).toEqual(before)
  })

  it('names a folder that does not exist', async () => {
    const { stderr } = await longshore(`pull ${app()} absent/out.tar --platform linux/amd64`)
    expect(stderr).toMatch(/^longshore: cannot write absent\/out.tar: .*no such file/)
    expect(existsSync(dir.join('absent'))).toBe(false)
  })
})

describe('copy', () => {
  it('takes the tag of the source when the target has none', async () => {
    await server.repository('team/app').pushImage(one, 'v1')
    const stdout = await succeed(`copy ${app()} ${server.host}/other`)
    expect(stdout).toMatch(`copied ${server.host}/other:v1@${one.manifest.digest}`)
    expect(await server.repository('other').missing(one)).toEqual([])
  })

  it.each([
    ['copy alpine:3 x.example/a', /"alpine:3" must begin with a registry/],
    ['copy x.example/A:1 x.example/b', /"x.example\/A:1" is not an image name: invalid repository name/],
    ['copy x.example/a:1 x.example/b --platform arm64', /"arm64" must be a platform such as linux\/arm64/],
    ['pull x.example/a -', /an archive cannot be written to a terminal/],
    ['pull x.example/a - --format layout', /an OCI layout is a folder/],
    ['pull x.example/a out.tar.gz', /must end with .tar/],
    ['push it x.example/a --data here', /not in --data, --table or --registry/],
  ])('refuses "%s" as wrong usage', async (words, message) => {
    const { code, stderr } = await longshore(words)
    expect(stderr).toMatch(message)
    expect(code).toBe(2)
  })
})
