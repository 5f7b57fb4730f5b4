import { expect, it } from 'vitest'
import { type ErrorCode, RegistryError } from '../../lambda/protocol/errors.ts'

/** The table of the distribution spec ("Error Codes"). Clients compare these. */
const SPEC_CODES: readonly [ErrorCode, status: number][] = [
  ['BLOB_UNKNOWN', 404],
  ['BLOB_UPLOAD_INVALID', 400],
  ['BLOB_UPLOAD_UNKNOWN', 404],
  ['DIGEST_INVALID', 400],
  ['MANIFEST_BLOB_UNKNOWN', 404],
  ['MANIFEST_INVALID', 400],
  ['MANIFEST_UNKNOWN', 404],
  ['NAME_INVALID', 400],
  ['NAME_UNKNOWN', 404],
  ['SIZE_INVALID', 400],
  ['UNAUTHORIZED', 401],
  ['DENIED', 403],
  ['UNSUPPORTED', 405],
  ['TOOMANYREQUESTS', 429],
]

it.each(SPEC_CODES)('%s has the status %i', (code, status) => {
  expect(new RegistryError(code).status).toBe(status)
})

it('serializes to the error document of the spec', () => {
  const error = new RegistryError('NAME_UNKNOWN', { detail: { name: 'a' } })
  expect(JSON.parse(error.toDocument())).toEqual({
    errors: [
      {
        code: 'NAME_UNKNOWN',
        message: 'repository name not known to registry: name a',
        detail: { name: 'a' },
      },
    ],
  })
})

it.each([
  ['its message', { message: 'push on a: no', detail: { reason: 'so' } }, 'push on a: no'],
  ['the reason in its detail', { detail: { reason: 'the key has expired' } }, 'the key has expired'],
  ['the rule in its detail', { detail: { rule: 'config is missing', digest: 'x' } }, 'config is missing'],
  [
    'a detail that is a string',
    { detail: 'no Host header' },
    'requested access to the resource is denied: no Host header',
  ],
  [
    'the fields of its detail',
    { detail: { name: 'a', list: ['b', 2], empty: '', deep: {} } },
    'requested access to the resource is denied: name a, list b, 2',
  ],
  ['the default of its code without a detail', {}, 'requested access to the resource is denied'],
])('shows in its message %s, because many clients print nothing else', (_, options, message) => {
  expect(JSON.parse(new RegistryError('DENIED', options).toDocument()).errors[0].message).toBe(message)
})

it('omits an absent detail', () => {
  const [entry] = JSON.parse(new RegistryError('DENIED').toDocument()).errors
  expect(Object.keys(entry)).toEqual(['code', 'message'])
})

it('does not reveal its cause', () => {
  const error = new RegistryError('UNAVAILABLE', { cause: new Error('password=hunter2') })
  expect(error.toDocument()).not.toContain('hunter2')
})
