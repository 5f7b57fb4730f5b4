import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import { bundle } from '../../infra/bundle.ts'

const HANDLERS = join(import.meta.dirname, '../../lambda/handlers')

/** The largest bundle, in bytes, and the part of it that a cold start reads. More makes cold starts slower and needs a reason. */
const MAX_BYTES = 700_000
const MAX_BYTES_AT_START = 425_000

const LOCAL = /^server\/|^lambda\/store\/(file-blobs|files\/|sqlite)/
const TOOLS = /node_modules\/(aws-cdk|constructs|esbuild|@biomejs|vitest)/

const ENVIRONMENT = {
  AWS_REGION: 'eu-central-1',
  AWS_ACCESS_KEY_ID: 'id',
  AWS_SECRET_ACCESS_KEY: 'key',
  // Where nobody is: loading must do without.
  AWS_ENDPOINT_URL_SSM: 'http://127.0.0.1:1',
  LONGSHORE_TABLE: 'table',
  LONGSHORE_BUCKET: 'bucket',
  LONGSHORE_SECRET: 'secret',
}

const folder = mkdtempSync(join(tmpdir(), 'longshore-bundles-'))
afterAll(() => rmSync(folder, { recursive: true }))

const ONCE = ['edge-secret', 'first-administrator']

describe.each(['api', 's3-event', 'collector', ...ONCE])('the bundle of %s', handler => {
  const files = bundle(join(HANDLERS, `${handler}.ts`), join(folder, handler))
  const sources = files.flatMap(({ sources }) => sources)
  const sizeOf = (some: typeof files) => some.reduce((sum, { bytes }) => sum + bytes, 0)

  it('is small', () => {
    expect(sizeOf(files)).toBeLessThan(MAX_BYTES)
    expect(sizeOf(files.filter(({ atStart }) => atStart))).toBeLessThan(MAX_BYTES_AT_START)
  })

  it('loads where there is nothing but Node, down to its last file', async () => {
    const paths = files.map(({ name }) => join(folder, handler, name))
    const program = 'for (const path of process.argv.slice(1)) await import(path)'
    await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program, ...paths], {
      cwd: folder,
      env: ENVIRONMENT,
    })
  })

  it('has no native module', () => {
    expect(sources.filter(source => source.endsWith('.node'))).toEqual([])
  })

  it('has nothing of the local registry, nor of what builds it', () => {
    expect(sources.filter(source => LOCAL.test(source) || TOOLS.test(source))).toEqual([])
    const text = files.map(({ name }) => readFileSync(join(folder, handler, name), 'utf8')).join('\n')
    expect(text).not.toContain('node:sqlite')
  })

  it('does not read the client of S3 before it is needed', () => {
    const holding = files.filter(({ sources }) => sources.some(one => one.includes('@aws-sdk/client-s3/')))
    expect(holding.filter(({ atStart }) => atStart)).toEqual([])
    // Else the test could not fail.
    expect(holding.length > 0).toBe(!ONCE.includes(handler))
  })
})
