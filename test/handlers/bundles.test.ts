import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import { bundle, bundleProgram } from '../../infra/bundle.ts'

const HANDLERS = join(import.meta.dirname, '../../lambda/handlers')

/**
 * Maximum size of a bundle and of the part that a cold start reads. Larger bundles slow down cold starts and need a
 * reason.
 */
const MAX_BYTES = 710_000
const MAX_BYTES_AT_START = 435_000

/** Source files that belong to the local server. */
const LOCAL = /^server\/|^lambda\/store\/(files\/|sqlite)/
/** Packages that build or test the code. */
const TOOLS = /node_modules\/(aws-cdk|constructs|esbuild|@biomejs|vitest)/

const ENVIRONMENT = {
  AWS_REGION: 'eu-central-1',
  AWS_ACCESS_KEY_ID: 'id',
  AWS_SECRET_ACCESS_KEY: 'key',
  // No server listens there: a module must load without SSM.
  AWS_ENDPOINT_URL_SSM: 'http://127.0.0.1:1',
  LONGSHORE_TABLE: 'table',
  LONGSHORE_BUCKET: 'bucket',
  LONGSHORE_SECRET: 'secret',
}

const folder = mkdtempSync(join(tmpdir(), 'longshore-bundles-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** Handlers of custom resources. They do not use S3. */
const CUSTOM_RESOURCES = ['edge-secret', 'first-administrator']

describe('the bundle of the relay', () => {
  const file = join(folder, 'relay.mjs')
  const imported = bundleProgram(join(HANDLERS, '../../server/relay.ts'), file)
  const text = readFileSync(file, 'utf8')

  it('imports nothing but modules of Node, so that it runs on a machine without packages', () => {
    expect(imported).toContain('node:http')
    expect(imported.filter(name => !isBuiltin(name))).toEqual([])
  })

  it('contains the provider of the credentials of an EC2 instance', () => {
    expect(text).toContain('/latest/meta-data/iam/security-credentials/')
  })
})

describe.each(['api', 's3-event', 'collector', ...CUSTOM_RESOURCES])('the bundle of %s', handler => {
  const files = bundle(join(HANDLERS, `${handler}.ts`), join(folder, handler))
  const sources = files.flatMap(({ sources }) => sources)
  const sizeOf = (some: typeof files) => some.reduce((sum, { bytes }) => sum + bytes, 0)

  it('is not larger than the limits', () => {
    expect(sizeOf(files)).toBeLessThan(MAX_BYTES)
    expect(sizeOf(files.filter(({ atStart }) => atStart))).toBeLessThan(MAX_BYTES_AT_START)
  })

  it('loads all its files without node_modules', async () => {
    const paths = files.map(({ name }) => join(folder, handler, name))
    const program = 'for (const path of process.argv.slice(1)) await import(path)'
    await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program, ...paths], {
      cwd: folder,
      env: ENVIRONMENT,
    })
  })

  it('contains no native module', () => {
    expect(sources.filter(source => source.endsWith('.node'))).toEqual([])
  })

  it('contains no code of the local server and of the build tools', () => {
    expect(sources.filter(source => LOCAL.test(source) || TOOLS.test(source))).toEqual([])
    const text = files.map(({ name }) => readFileSync(join(folder, handler, name), 'utf8')).join('\n')
    expect(text).not.toContain('node:sqlite')
  })

  it('does not load the S3 client at a cold start', () => {
    const withClient = files.filter(({ sources }) =>
      sources.some(source => source.includes('@aws-sdk/client-s3/')),
    )
    expect(withClient.filter(({ atStart }) => atStart)).toEqual([])
    // Proves that the check above can fail.
    expect(withClient.length > 0).toBe(!CUSTOM_RESOURCES.includes(handler))
  })
})
