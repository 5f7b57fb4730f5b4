import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { match } from '../../lambda/http/router.ts'
import { routes } from '../../lambda/routes/index.ts'
import { anyDigest, anyText, repositoryName, tag, uploadId } from '../support/arbitraries.ts'
import { codeOf, errorOf } from '../support/errors.ts'
import { processorTime } from '../support/processor-time.ts'
import { runs } from '../support/property-runs.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

/** The table as the distribution spec prints it ("Endpoints"), and what Docker adds. */
const TABLE = `
ping   GET    /v2/
  ping   HEAD   /v2/
  none   GET    /healthz
  none   HEAD   /healthz
  none   GET    /
  none   HEAD   /
  push   POST   /v2/<name>/blobs/uploads/
  push   PATCH  /v2/<name>/blobs/uploads/<upload>
  push   PUT    /v2/<name>/blobs/uploads/<upload>
  push   GET    /v2/<name>/blobs/uploads/<upload>
  push   DELETE /v2/<name>/blobs/uploads/<upload>
  pull   GET    /v2/<name>/blobs/<digest>
  pull   HEAD   /v2/<name>/blobs/<digest>
  delete DELETE /v2/<name>/blobs/<digest>
  pull   GET    /v2/<name>/manifests/<existing>
  pull   HEAD   /v2/<name>/manifests/<existing>
  push   PUT    /v2/<name>/manifests/<reference>
  delete DELETE /v2/<name>/manifests/<existing>
  pull   GET    /v2/<name>/tags/list
  pull   GET    /v2/<name>/referrers/<digest>
  list   GET    /v2/_catalog
  delete DELETE /api/repositories/<name>
  none   GET    /token
  none   POST   /token
  self   GET    /api/me
  self   PUT    /api/me/password
  admin  GET    /api/users
  admin  POST   /api/users
  admin  PATCH  /api/users/<account>
  admin  DELETE /api/users/<account>
  admin  GET    /api/robots
  admin  POST   /api/robots
  admin  POST   /api/robots/<account>/key
  admin  DELETE /api/robots/<account>
  admin  GET    /api/policy
  admin  PUT    /api/policy
  admin  POST   /api/policy/explain
  none   GET    /api/openapi.json
`

it('has every end-point, and what its caller must be allowed to do', () => {
  const table = routes.map(({ action, method, path }) => `${action} ${method} ${path}`)
  const expected = TABLE.trim().split('\n')
  expect(table).toEqual(expected.map(line => line.trim().replace(/ +/g, ' ')))
})

describe('finds the row and the parts of the path:', () => {
  const name = repositoryName
  const find = (method: string, path: string) => {
    const { route, params } = match(routes, method, path)
    return { path: route.path, params }
  }

  it.each(['GET', 'HEAD', 'DELETE'])('%s of a blob, whatever words make the name', method => {
    fc.assert(
      fc.property(name, anyDigest, (name, digest) => {
        expect(find(method, `/v2/${name}/blobs/${digest}`)).toEqual({
          path: '/v2/<name>/blobs/<digest>',
          params: { name, digest },
        })
      }),
    )
  })

  it.each(['GET', 'HEAD', 'DELETE'])('%s of a manifest by tag, whatever words make the name', method => {
    fc.assert(
      fc.property(name, tag, (name, tag) => {
        expect(find(method, `/v2/${name}/manifests/${tag}`)).toEqual({
          path: '/v2/<name>/manifests/<existing>',
          params: { name, existing: { kind: 'tag', tag } },
        })
      }),
    )
  })

  it('the push of a manifest, by tag and by digest', () => {
    fc.assert(
      fc.property(name, tag, anyDigest, (name, tag, digest) => {
        expect(find('PUT', `/v2/${name}/manifests/${tag}`).params).toEqual({
          name,
          reference: { kind: 'tag', tag },
        })
        expect(find('PUT', `/v2/${name}/manifests/${digest}`).params).toEqual({
          name,
          reference: { kind: 'digest', digest },
        })
      }),
    )
  })

  it('the beginning of an upload, whatever words make the name', () => {
    fc.assert(
      fc.property(name, name => {
        expect(find('POST', `/v2/${name}/blobs/uploads/`)).toEqual({
          path: '/v2/<name>/blobs/uploads/',
          params: { name },
        })
      }),
    )
  })

  it.each(['GET', 'PATCH', 'PUT', 'DELETE'])('%s of an upload, whatever words make the name', method => {
    fc.assert(
      fc.property(name, uploadId, (name, upload) => {
        expect(find(method, `/v2/${name}/blobs/uploads/${upload}`)).toEqual({
          path: '/v2/<name>/blobs/uploads/<upload>',
          params: { name, upload },
        })
      }),
    )
  })

  it('the tags and the referrers, whatever words make the name', () => {
    fc.assert(
      fc.property(name, anyDigest, (name, digest) => {
        expect(find('GET', `/v2/${name}/tags/list`).params).toEqual({ name })
        expect(find('GET', `/v2/${name}/referrers/${digest}`).params).toEqual({ name, digest })
      }),
    )
  })
})

it('finds the same row with and without a slash at the end', () => {
  const found = (method: string, path: string) => {
    let result: unknown
    const error = errorOf(() => {
      const { route, params } = match(routes, method, path)
      result = { path: route.path, params }
    })
    return error ? [error.code, error.headers] : result
  }
  const path = fc.oneof(
    fc.constantFrom('/v2', '/v2/_catalog', '/token', '/api/me', '/v1'),
    fc
      .tuple(repositoryName, anyDigest, uploadId)
      .chain(([name, digest, upload]) =>
        fc.constantFrom(
          ...['blobs/uploads', `blobs/uploads/${upload}`, `blobs/${digest}`, 'manifests/v1', 'tags/list'].map(
            rest => `/v2/${name}/${rest}`,
          ),
        ),
      ),
  )
  fc.assert(
    fc.property(fc.constantFrom(...METHODS), path, (method, path) => {
      expect(found(method, `${path}/`)).toEqual(found(method, path))
    }),
  )
})

describe('a wrong method', () => {
  it.each([
    ['/v2/', 'GET, HEAD'],
    ['/v2', 'GET, HEAD'],
    [`/v2/a/blobs/${DIGEST}`, 'GET, HEAD, DELETE'],
    ['/v2/a/manifests/latest', 'GET, HEAD, PUT, DELETE'],
    ['/v2/a/blobs/uploads/', 'POST'],
    ['/v2/a/blobs/uploads', 'POST'],
    ['/v2/a/tags/list/', 'GET'],
    ['/v2/a/blobs/uploads/aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa', 'PATCH, PUT, GET, DELETE'],
    ['/v2/a/tags/list', 'GET'],
    [`/v2/a/referrers/${DIGEST}`, 'GET'],
    ['/v2/_catalog', 'GET'],
  ])('on %s hears which ones there are', (path, allow) => {
    for (const method of [...METHODS, 'OPTIONS', 'TRACE', 'get', '']) {
      const error = errorOf(() => match(routes, method, path))
      if (allow.split(', ').includes(method)) expect(error).toBeUndefined()
      else expect(error).toMatchObject({ code: 'UNSUPPORTED', headers: { allow } })
    }
  })
})

describe('a path that names nothing', () => {
  it.each([
    '',
    '/v1/',
    '/v2/a',
    '/v2/_catalog//',
    '/v2//blobs/uploads/',
    '/v2/blobs/uploads/',
    '/v2/manifests/latest',
    '/v2/a/manifests/',
    '/v2/a/manifests/latest//',
    '/v2/a/manifests/latest/x',
    '/v2/a/tags/list//',
    '/v2/a/tags',
    '/v2/a/blobs/',
    `/v2/a/blobs/${DIGEST}//`,
    '/x/v2/a/tags/list',
    'v2/a/tags/list',
    '/V2/a/tags/list',
    '/v2/a/Tags/list',
  ])('is %j', path => {
    expect(codeOf(() => match(routes, 'GET', path))).toBe('NOT_FOUND')
  })
})

describe('a path that is made to reach what it should not', () => {
  it.each([
    ['a parent folder', '/v2/a/../b/manifests/latest', 'NAME_INVALID'],
    ['a parent folder before everything', '/v2/../v2/a/manifests/latest', 'NAME_INVALID'],
    ['this folder', '/v2/./a/manifests/latest', 'NAME_INVALID'],
    ['a parent folder for a tag', '/v2/a/manifests/..', 'MANIFEST_UNKNOWN'],
    ['an escape that was escaped', '/v2/a/%2e%2e/b/manifests/latest', 'NAME_INVALID'],
    ['an escaped slash that was escaped', '/v2/a%2fb/manifests/latest', 'NAME_INVALID'],
    ['an empty component', '/v2//a/manifests/latest', 'NAME_INVALID'],
    ['an empty component inside', '/v2/a//b/manifests/latest', 'NAME_INVALID'],
    ['NUL in the name', '/v2/a\0/manifests/latest', 'NAME_INVALID'],
    ['NUL in the tag', '/v2/a/manifests/latest\0', 'MANIFEST_UNKNOWN'],
    ['a line break in the name', '/v2/a\n/manifests/latest', 'NAME_INVALID'],
    ['a line break at the end', '/v2/a/tags/list\n', 'NOT_FOUND'],
    ['a letter beyond ASCII', '/v2/ä/manifests/latest', 'NAME_INVALID'],
    ['the catalog as a repository', '/v2/_catalog/tags/list', 'NAME_INVALID'],
    ['the separator of keys', '/v2/a#tag/manifests/latest', 'NAME_INVALID'],
    ['a folder for a digest', '/v2/a/blobs/sha256:..', 'DIGEST_INVALID'],
    ['a file for a digest', '/v2/a/blobs/passwd', 'DIGEST_INVALID'],
    ['a file for an upload', '/v2/a/blobs/uploads/passwd', 'BLOB_UPLOAD_UNKNOWN'],
    ['a bad digest for a manifest', '/v2/a/manifests/sha256:baddigeststring', 'DIGEST_INVALID'],
  ])('is refused: %s', (_, path, code) => {
    expect(codeOf(() => match(routes, 'GET', path))).toBe(code)
  })
})

it('refuses to push to a malformed tag as what it is', () => {
  expect(codeOf(() => match(routes, 'PUT', '/v2/a/manifests/.latest'))).toBe('TAG_INVALID')
})

it('answers any path with a row or a registry error, and every part of the row is valid', () => {
  const segment = fc.oneof(
    repositoryName,
    anyText,
    fc.constantFrom('v2', 'blobs', 'uploads', 'manifests', 'tags', 'list', 'referrers', '_catalog', '..', ''),
    anyDigest,
    uploadId,
  )
  const path = fc.array(segment, { maxLength: 7 }).map(segments => `/v2/${segments.join('/')}`)
  fc.assert(
    fc.property(fc.constantFrom(...METHODS), fc.oneof(path, anyText), (method, path) => {
      errorOf(() => {
        const { params } = match(routes, method, path)
        if (params.name) expect(params.name).toMatch(/^[a-z0-9][a-z0-9._/-]*$/)
      })
    }),
    { numRuns: runs(1000) },
  )
})

it('decides at once about a path that is made to take long', async () => {
  const time = await processorTime(() => {
    for (const unit of ['/blobs', '/blobs/uploads', '/a', '/manifests/', '/tags/list'])
      codeOf(() => match(routes, 'GET', `/v2${unit.repeat(1000)}`))
  })
  expect(time).toBeLessThan(1000)
})
