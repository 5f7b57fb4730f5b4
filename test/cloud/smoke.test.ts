import { fileURLToPath } from 'node:url'
import { afterEach, expect, it } from 'vitest'
import { attempt } from '../support/command.ts'
import { Cloud } from './emulator/cloud.ts'
import { makeAdministrator } from './emulator/first-administrator.ts'
import { describeInCloud } from './requirements.ts'

const SMOKE = fileURLToPath(new URL('../../smoke/main.ts', import.meta.url))
const smoke = (...args: string[]) => attempt(process.execPath, [SMOKE, ...args])
const smokeAs = (password: string, ...args: string[]) =>
  attempt(process.execPath, [SMOKE, '--user', 'admin', ...args], { env: { LONGSHORE_PASSWORD: password } })

describeInCloud({}, 'the smoke test', () => {
  let cloud: Cloud
  afterEach(() => cloud?.stop())

  it.each([
    { pull: 's3', relay: false, headLength: 'counted' },
    { pull: 'edge', relay: true, headLength: 'said' },
  ] as const)('finds nothing wrong with %j', async options => {
    cloud = await Cloud.start(options)
    const api = `http://127.0.0.1:${cloud.gateway.port}`
    const { code, stdout } = await smoke(cloud.origin, '--api', api)

    expect(stdout).toContain(`deployed: pull=${options.pull}, ${options.relay ? 'a relay' : 'no relay'}`)
    expect(stdout).toContain('every check passed')
    expect([code, stdout.match(/✗/g)]).toEqual([0, null])
    expect(stdout.match(/does not apply/g)?.length).toBe(options.relay ? 6 : 4)
    const catalog = await fetch(`${cloud.origin}/v2/_catalog`)
    const { repositories } = (await catalog.json()) as { repositories: string[] }
    const tags = await fetch(`${cloud.origin}/v2/${repositories[0]}/tags/list`)
    expect(await tags.json()).toMatchObject({ tags: [] })
  })

  it('finds nothing wrong where everybody must log in, and with a blob as large as one wants to try', async () => {
    cloud = await Cloud.start({ auth: 'on' })
    const { code, stdout } = await smokeAs(await makeAdministrator(cloud), cloud.origin, '--large', '0.02')

    expect(stdout).toMatch(/✓ {2}the registry responds.*: 401, with a challenge\n/)
    expect(stdout).toMatch(/✓ {2}a login gets a token/)
    expect(stdout).toMatch(/✓ {2}a large blob goes directly to S3: 21 MiB\n/)
    expect([code, stdout.match(/✗/g)]).toEqual([0, null])
  })

  it('says what to do where clients are told to log in elsewhere', async () => {
    const elsewhere = { LONGSHORE_ORIGIN: 'https://registry.example' }
    cloud = await Cloud.start({ auth: 'on', environment: elsewhere })
    const { code, stdout } = await smokeAs(await makeAdministrator(cloud), cloud.origin)

    expect(code).toBe(1)
    expect(stdout).toMatch(
      /✗ {2}the registry responds.*\n.*seen: 401.*registry\.example\/token.*\n.*set the setting domain/,
    )
  })

  it('says what to do where the edge cannot make S3 compare digests', async () => {
    cloud = await Cloud.start({ drops: ['x-amz-checksum-sha256'] })
    const { code, stdout } = await smoke(cloud.origin)

    expect(code).toBe(1)
    expect(stdout).toMatch(
      /✗ {2}S3 refuses a blob.*\n.*seen: 201.*\n.*what to do: the header x-amz-checksum-sha256/,
    )
    expect(stdout).toContain('1 of ')
  })

  it('says what to do where an upload URL can be used again, and tells no signature', async () => {
    cloud = await Cloud.start({ drops: ['if-none-match'] })
    const { code, stdout } = await smoke(cloud.origin)

    expect(code).toBe(1)
    expect(stdout).toMatch(/✗ {2}an upload URL works once\n.*\n.*what to do: If-None-Match/)
    expect(stdout).not.toMatch(/direct=\d+\.[\w-]{20}/)
  })

  it('says what to do where CloudFront keeps what was refused', async () => {
    cloud = await Cloud.start({ keepsRefusals: 10 })
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
  ])('explains itself for %j', async (...args) => {
    const { code, stderr } = await smoke(...args)

    expect([code, stderr]).toEqual([2, expect.stringMatching(/npm run smoke|--large: a number/)])
  })

  it('ends when nobody answers', async () => {
    const { code, stderr } = await smoke('http://127.0.0.1:9')

    expect([code, stderr]).toEqual([1, expect.stringContaining('does not answer')])
  })
})
