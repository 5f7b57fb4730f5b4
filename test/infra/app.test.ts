import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Loose } from './synthesize.ts'

const folder = mkdtempSync(join(tmpdir(), 'longshore-synth-'))
const cdk = resolve('node_modules/.bin/cdk')

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Runs `npx cdk synth` without AWS credentials, on a machine whose own Node may be older. */
function synth(output: string, flags: string[], before: string[] = []) {
  const PATH = [
    resolve('node_modules/.bin'),
    '/usr/local/bin',
    '/usr/bin',
    '/bin',
    '/usr/sbin',
    '/sbin',
  ].join(':')
  const [program = '', ...rest] = [
    ...before,
    cdk,
    'synth',
    '--quiet',
    '--output',
    join(folder, output),
    ...flags,
  ]
  const { NODE_COMPILE_CACHE } = process.env
  const env = { PATH, HOME: folder, CI: 'true', NO_COLOR: '1', NODE_COMPILE_CACHE }
  return spawnSync(program, rest, { encoding: 'utf8', env, timeout: 240_000 })
}

const cutOff = spawnSync('unshare', ['-rn', 'true']).status === 0

describe.skipIf(!cutOff)('cdk synth without a network (needs unshare -rn) and an account', () => {
  let result: ReturnType<typeof synth>

  beforeAll(() => {
    result = synth('whole', ['-c', 'pull=edge'], ['unshare', '-rn'])
  }, 250_000)

  it('writes the template, and prints nothing', () => {
    // A new version of the CDK has new feature flags: `npx cdk flags --unstable=flags --set --default --unconfigured`.
    expect(result).toMatchObject({ status: 0, stdout: '' })
    // The CLI prints an empty line if a warning of its validation was acknowledged.
    expect(result.stderr.trim()).toBe('')
    expect(readdirSync(join(folder, 'whole'))).toContain('longshore.template.json')
  })

  it('bundles each function as a module of its own', () => {
    const { Resources } = JSON.parse(readFileSync(join(folder, 'whole/longshore.template.json'), 'utf8'))
    const codes: Loose[] = Object.values<Loose>(Resources).filter(
      ({ Type }) => Type === 'AWS::Lambda::Function',
    )
    const folders = codes.map(({ Properties }) => `asset.${Properties.Code.S3Key.replace('.zip', '')}`)
    expect(folders).toHaveLength(5)
    expect(new Set(folders).size).toBe(5)
    for (const code of folders)
      expect(statSync(join(folder, 'whole', code, 'index.mjs')).size).toBeGreaterThan(0)
  })

  it('bundles the relay into one file, whose digest its configuration has', () => {
    const assets = readdirSync(join(folder, 'whole')).filter(
      name => name.startsWith('asset.') && name.endsWith('.mjs'),
    )
    expect(assets).toHaveLength(1)
    const program = readFileSync(join(folder, 'whole', assets[0] ?? ''))
    const digest = createHash('sha256').update(program).digest('hex')
    const template = readFileSync(join(folder, 'whole/longshore.template.json'), 'utf8')
    expect(template).toContain(`LONGSHORE_BUNDLE_SHA256=\\"${digest}\\"`)
  })
})

describe('An invalid setting', () => {
  afterEach(() => {
    vi.restoreAllMocks()
    vi.unstubAllEnvs()
    process.exitCode = undefined
  })

  it('ends the app with one line and exit code 1', async () => {
    const print = vi.spyOn(console, 'error').mockReturnValue()
    // `cdk synth -c pull=cdn` passes it in this way.
    vi.stubEnv('CDK_CONTEXT_JSON', JSON.stringify({ pull: 'cdn' }))

    await import('../../infra/app.ts')

    expect(print.mock.calls).toEqual([['longshore: setting pull is "cdn"; allowed: s3, edge']])
    expect(process.exitCode).toBe(1)
  })
})

it('start.js reports in one line that Node is too old', () => {
  const pretend =
    'data:text/javascript,Object.defineProperty(process, "versions", { value: { node: "20.1.0" } })'
  const { status, stderr } = spawnSync(process.execPath, ['--import', pretend, 'infra/start.js'], {
    encoding: 'utf8',
  })
  expect(status).toBe(1)
  expect(stderr).toMatch(/^longshore: Node\.js 22\.18 or newer is required, but this is 20\.1\.0\. [^\n]*\n$/)
})
