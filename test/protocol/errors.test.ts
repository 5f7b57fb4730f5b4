import { expect, it } from 'vitest'
import { type ErrorCode, RegistryError } from '../../lambda/protocol/errors.ts'

/** The table of the distribution spec ("Error Codes"). Clients compare these. */
const OF_THE_SPEC: readonly [ErrorCode, status: number][] = [
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

it.each(OF_THE_SPEC)('%s travels with status %i', (code, status) => {
  expect(new RegistryError(code).status).toBe(status)
})

it('becomes the error document of the spec', () => {
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
  ['what it is told to say', { message: 'push on a: no', detail: { reason: 'so' } }, 'push on a: no'],
  ['the reason in its detail', { detail: { reason: 'the key has expired' } }, 'the key has expired'],
  ['the rule in its detail', { detail: { rule: 'config is missing', digest: 'x' } }, 'config is missing'],
  [
    'a detail that is text',
    { detail: 'no Host header' },
    'requested access to the resource is denied: no Host header',
  ],
  [
    'the facts in its detail',
    { detail: { name: 'a', list: ['b', 2], empty: '', deep: {} } },
    'requested access to the resource is denied: name a, list b, 2',
  ],
  ["the code's words where there is no detail", {}, 'requested access to the resource is denied'],
])('says %s, which for many clients is all that they show', (_, options, message) => {
  expect(JSON.parse(new RegistryError('DENIED', options).toDocument()).errors[0].message).toBe(message)
})

it('leaves out a detail that it does not have', () => {
  const [entry] = JSON.parse(new RegistryError('DENIED').toDocument()).errors
  expect(Object.keys(entry)).toEqual(['code', 'message'])
})

it('tells the client nothing of its cause', () => {
  const error = new RegistryError('UNAVAILABLE', { cause: new Error('password=hunter2') })
  expect(error.toDocument()).not.toContain('hunter2')
})
