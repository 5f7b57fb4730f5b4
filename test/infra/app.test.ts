import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Loose } from './synthesize.ts'

const folder = mkdtempSync(join(tmpdir(), 'longshore-synth-'))
const cdk = resolve('node_modules/.bin/cdk')

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** `npx cdk synth`, as somebody without an AWS account would run it, whose own Node may be an older one. */
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
  const env = { PATH, HOME: folder, CI: 'true', NO_COLOR: '1' }
  return spawnSync(program, rest, { encoding: 'utf8', env, timeout: 240_000 })
}

const cutOff = spawnSync('unshare', ['-rn', 'true']).status === 0

describe.skipIf(!cutOff)('Without network (needs unshare -rn) and account', () => {
  let result: ReturnType<typeof synth>

  beforeAll(() => {
    result = synth('whole', ['-c', 'relay=on', '-c', 'pull=edge'], ['unshare', '-rn'])
  }, 250_000)

  it('cdk synth makes the template, and prints nothing', () => {
    // A new version of the CDK has new feature flags: `npx cdk flags --unstable=flags --set --default --unconfigured`.
    expect(result).toMatchObject({ status: 0, stdout: '', stderr: '' })
    expect(readdirSync(join(folder, 'whole'))).toContain('longshore.template.json')
  })

  it('cdk synth bundles each function for itself, as one module', () => {
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
})

describe('A setting that is not allowed', () => {
  it('ends cdk synth with one line of ours', () => {
    const { status, stderr } = synth('refused', ['-c', 'pull=cdn'])
    expect(status).toBe(1)
    expect(stderr.split('\n').filter(line => line.startsWith('longshore:'))).toEqual([
      'longshore: setting pull is "cdn"; allowed: s3, edge',
    ])
    expect(stderr).not.toContain('    at ')
  })
})

it('says in one line that Node is too old', () => {
  const pretend =
    'data:text/javascript,Object.defineProperty(process, "versions", { value: { node: "20.1.0" } })'
  const { status, stderr } = spawnSync(process.execPath, ['--import', pretend, 'infra/start.js'], {
    encoding: 'utf8',
  })
  expect(status).toBe(1)
  expect(stderr).toMatch(/^longshore: Node\.js 22\.18 or newer is needed, and this is 20\.1\.0\. [^\n]*\n$/)
})
