import { afterEach, expect, it, vi } from 'vitest'
import { SqliteTable } from '../../lambda/store/sqlite/table.ts'
import { longshore } from '../support/cli.ts'
import { TempDir } from '../support/temp-dir.ts'

afterEach(() => vi.unstubAllEnvs())

/** Hides the AWS configuration of this machine from the SDK, which reads `process.env`. */
function stubAws(variables: Readonly<Record<string, string>>): void {
  const none = { AWS_REGION: undefined, AWS_DEFAULT_REGION: undefined, AWS_PROFILE: undefined }
  const files = { AWS_CONFIG_FILE: '/nowhere/config', AWS_SHARED_CREDENTIALS_FILE: '/nowhere/credentials' }
  for (const [name, value] of Object.entries({ ...none, ...files, ...variables })) vi.stubEnv(name, value)
}

it('--table without a region says how to set one', async () => {
  stubAws({})
  expect(await longshore('user list --table t')).toEqual({
    code: 1,
    stdout: '',
    stderr: 'longshore: no AWS region was found: set AWS_REGION, or set a region in your AWS profile\n',
  })
})

it('--table prints why the table cannot be used', async () => {
  stubAws({
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'id',
    AWS_SECRET_ACCESS_KEY: 'secret',
    AWS_ENDPOINT_URL_DYNAMODB: 'http://127.0.0.1:1',
    AWS_MAX_ATTEMPTS: '1',
  })
  const { code, stderr } = await longshore('user list --table t')
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: expect.stringMatching(
      /^longshore: cannot use the table t: connect ECONNREFUSED 127\.0\.0\.1:1\n$/,
    ),
  })
})

it('a fault that is not of the store is printed with its stack', async () => {
  using data = new TempDir('longshore-data-')
  await longshore('user add ann', { cwd: data.path, input: 'a password' })
  const query = vi.spyOn(SqliteTable.prototype, 'query').mockRejectedValue(new TypeError('a bug'))
  const { code, stderr } = await longshore('user list', { cwd: data.path })
  query.mockRestore()
  expect(code).toBe(1)
  expect(stderr).toMatch(/^longshore: internal error: TypeError: a bug\n {4}at /)
})
