import { fileURLToPath } from 'node:url'
import { afterEach, expect, it } from 'vitest'
import { attempt } from '../support/command.ts'
import { Cloud } from './emulator/cloud.ts'
import { createAdministrator } from './emulator/first-administrator.ts'
import { describeInCloud } from './requirements.ts'

const SMOKE = fileURLToPath(new URL('../../smoke/main.ts', import.meta.url))
const smoke = (...args: string[]) => attempt(process.execPath, [SMOKE, ...args])
const smokeAs = (password: string, ...args: string[]) =>
  attempt(process.execPath, [SMOKE, '--user', 'admin', ...args], { env: { LONGSHORE_PASSWORD: password } })

/** Changes the Location headers of the API's responses. */
function rewriteLocations({ api }: Cloud, rewrite: (location: string) => string): void {
  const invoke = api.invoke.bind(api)
  api.invoke = async event => {
    const result = (await invoke(event)) as { headers?: Record<string, string> }
    if (result.headers?.location) result.headers.location = rewrite(result.headers.location)
    return result
  }
}

describeInCloud({}, 'the smoke test', () => {
  let cloud: Cloud
  afterEach(() => cloud?.stop())

  it.each([
    { pull: 's3', relay: false, headLength: 'counted' },
    { pull: 'edge', relay: true, headLength: 'said' },
  ] as const)('passes on a deployment with %j, without options', async options => {
    cloud = await Cloud.start(options)
    const api = `http://127.0.0.1:${cloud.gateway.port}`

    const { code, stdout } = await smoke(cloud.origin, '--api', api)

    const relay = options.relay ? 'a relay' : 'no relay'
    expect(stdout).toContain(`deployed: pull=${options.pull}, ${relay}, direct uploads\n`)
    expect(stdout).toContain('every check passed')
    expect([code, stdout.match(/✗/g)]).toEqual([0, null])
    expect(stdout.match(/does not apply/g)?.length).toBe(options.relay ? 6 : 4)
    const catalog = await fetch(`${cloud.origin}/v2/_catalog`)
    const { repositories } = (await catalog.json()) as { repositories: string[] }
    const tags = await fetch(`${cloud.origin}/v2/${repositories[0]}/tags/list`)
    expect(await tags.json()).toMatchObject({ tags: [] })
  })

  it('passes on a deployment without direct uploads', async () => {
    cloud = await Cloud.start()
    rewriteLocations(cloud, location => location.replace(/direct=[^&]+/, 'v=1'))

    const { code, stdout } = await smoke(cloud.origin)

    expect(stdout).toContain('deployed: pull=s3, no relay, no direct uploads\n')
    expect(stdout).toMatch(/–.*directly to S3, over HTTP\/1\.1: does not apply\n/)
    expect([code, stdout.match(/✗/g)]).toEqual([0, null])
    expect(
      cloud.cloudfront.requests.filter(({ origin, method }) => origin === 'bucket' && method === 'PUT'),
    ).toEqual([])
  })

  it('passes with a login and a large blob', async () => {
    cloud = await Cloud.start({ auth: 'on' })

    const { code, stdout } = await smokeAs(await createAdministrator(cloud), cloud.origin, '--large', '0.02')

    expect(stdout).toMatch(/✓ {2}the registry responds.*: 401, with a challenge\n/)
    expect(stdout).toMatch(/✓ {2}a login gets a token/)
    expect(stdout).toMatch(/✓ {2}a large blob goes directly to S3: 21 MiB\n/)
    expect([code, stdout.match(/✗/g)]).toEqual([0, null])
  })

  it('reports a missing and a wrong login only', async () => {
    cloud = await Cloud.start({ auth: 'on' })
    await createAdministrator(cloud)

    const missing = await smoke(cloud.origin)
    const wrong = await smokeAs('wrong', cloud.origin)

    expect(missing).toMatchObject({ code: 1, stdout: '' })
    expect(missing.stderr).toMatch(/^longshore: \S+ requires a login: use --user [^\n]*\n$/)
    expect(wrong).toMatchObject({ code: 1, stdout: '' })
    expect(wrong.stderr).toMatch(/^longshore: the login of admin is refused \(401\)[^\n]*\n$/)
  })

  it('reports another address of the registry only', async () => {
    cloud = await Cloud.start({ auth: 'on', environment: { LONGSHORE_ORIGIN: 'https://registry.example' } })

    const { code, stdout, stderr } = await smokeAs(await createAdministrator(cloud), cloud.origin)

    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(
      /^longshore: the registry sends clients of \S+ to https:\/\/registry\.example: [^\n]*\n$/,
    )
  })

  it('reports the address of the API only', async () => {
    cloud = await Cloud.start()

    const { code, stdout, stderr } = await smoke(`http://127.0.0.1:${cloud.gateway.port}`)

    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(/^longshore: \S+ is the address of the API: [^\n]*\n$/)
  })

  it('skips the other checks of direct uploads when the first one fails', async () => {
    cloud = await Cloud.start()
    rewriteLocations(cloud, location => location.replace(/direct=1/, 'direct=2'))

    const { code, stdout } = await smoke(cloud.origin)

    expect([code, stdout.match(/✗/g)?.length]).toEqual([1, 1])
    expect(stdout).toMatch(/✗ {2}a whole blob goes directly to S3, over HTTP\/1\.1\n/)
    expect(stdout).toMatch(/– {2}an upload URL works once: not checked, because/)
    expect(stdout).toMatch(/\n1 of 14 checks failed\n$/)
  })

  it('gives advice when the edge cannot make S3 compare digests', async () => {
    cloud = await Cloud.start({ droppedHeaders: ['x-amz-checksum-sha256'] })

    const { code, stdout } = await smoke(cloud.origin)

    expect(code).toBe(1)
    expect(stdout).toMatch(
      /✗ {2}S3 refuses a blob.*\n.*seen: 201.*\n.*what to do: the header x-amz-checksum-sha256/,
    )
    expect(stdout).toContain('1 of ')
  })

  it('gives advice when an upload URL works twice, and prints no signature', async () => {
    cloud = await Cloud.start({ droppedHeaders: ['if-none-match'] })

    const { code, stdout } = await smoke(cloud.origin)

    expect(code).toBe(1)
    expect(stdout).toMatch(/✗ {2}an upload URL works once\n.*\n.*what to do: If-None-Match/)
    expect(stdout).not.toMatch(/direct=\d+\.[\w-]{20}/)
  })

  it('gives advice when CloudFront caches error responses', async () => {
    cloud = await Cloud.start({ errorCacheSeconds: 10 })

    const { code, stdout } = await smoke(cloud.origin)

    expect(code).toBe(1)
    expect(stdout).toMatch(
      /✗ {2}a blob that was requested too early.*\n.*seen: 404.*\n.*custom error responses/,
    )
  })

  it.each([
    [],
    ['registry.example'],
    ['https://registry.example', '--unknown'],
    ['https://registry.example', '--large', '6'],
  ])('explains its arguments for %j', async (...args) => {
    const { code, stderr } = await smoke(...args)

    expect([code, stderr]).toEqual([2, expect.stringMatching(/npm run smoke|--large must be a number/)])
  })
})
