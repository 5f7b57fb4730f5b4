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

/**
 * The expected route table, with the action of each route: the endpoints of the distribution spec ("Endpoints"), of
 * Docker, and our own.
 */
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

it('the route table has every endpoint with its action', () => {
  const table = routes.map(({ action, method, path }) => `${action} ${method} ${path}`)
  const expected = TABLE.trim().split('\n')
  expect(table).toEqual(expected.map(line => line.trim().replace(/ +/g, ' ')))
})

describe('match finds the route and the parameters of', () => {
  const name = repositoryName
  const find = (method: string, path: string) => {
    const { route, params } = match(routes, method, path)
    return { path: route.path, params }
  }

  it.each(['GET', 'HEAD', 'DELETE'])('%s of a blob, for every repository name', method => {
    fc.assert(
      fc.property(name, anyDigest, (name, digest) => {
        expect(find(method, `/v2/${name}/blobs/${digest}`)).toEqual({
          path: '/v2/<name>/blobs/<digest>',
          params: { name, digest },
        })
      }),
    )
  })

  it.each(['GET', 'HEAD', 'DELETE'])('%s of a manifest by tag, for every repository name', method => {
    fc.assert(
      fc.property(name, tag, (name, tag) => {
        expect(find(method, `/v2/${name}/manifests/${tag}`)).toEqual({
          path: '/v2/<name>/manifests/<existing>',
          params: { name, existing: { kind: 'tag', tag } },
        })
      }),
    )
  })

  it('PUT of a manifest by tag and by digest', () => {
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

  it('POST of an upload, for every repository name', () => {
    fc.assert(
      fc.property(name, name => {
        expect(find('POST', `/v2/${name}/blobs/uploads/`)).toEqual({
          path: '/v2/<name>/blobs/uploads/',
          params: { name },
        })
      }),
    )
  })

  it.each(['GET', 'PATCH', 'PUT', 'DELETE'])('%s of an upload session, for every repository name', method => {
    fc.assert(
      fc.property(name, uploadId, (name, upload) => {
        expect(find(method, `/v2/${name}/blobs/uploads/${upload}`)).toEqual({
          path: '/v2/<name>/blobs/uploads/<upload>',
          params: { name, upload },
        })
      }),
    )
  })

  it('GET of tags and referrers, for every repository name', () => {
    fc.assert(
      fc.property(name, anyDigest, (name, digest) => {
        expect(find('GET', `/v2/${name}/tags/list`).params).toEqual({ name })
        expect(find('GET', `/v2/${name}/referrers/${digest}`).params).toEqual({ name, digest })
      }),
    )
  })
})

it('match finds the same route with and without a trailing slash', () => {
  const resultOf = (method: string, path: string) => {
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
            end => `/v2/${name}/${end}`,
          ),
        ),
      ),
  )
  fc.assert(
    fc.property(fc.constantFrom(...METHODS), path, (method, path) => {
      expect(resultOf(method, `${path}/`)).toEqual(resultOf(method, path))
    }),
  )
})

describe('an unsupported method', () => {
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
  ])('on %s is UNSUPPORTED with Allow: %s', (path, allow) => {
    for (const method of [...METHODS, 'OPTIONS', 'TRACE', 'get', '']) {
      const error = errorOf(() => match(routes, method, path))
      if (allow.split(', ').includes(method)) expect(error).toBeUndefined()
      else expect(error).toMatchObject({ code: 'UNSUPPORTED', headers: { allow } })
    }
  })
})

describe('an unknown path', () => {
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
  ])('is NOT_FOUND: %j', path => {
    expect(codeOf(() => match(routes, 'GET', path))).toBe('NOT_FOUND')
  })
})

describe('a malicious path', () => {
  it.each([
    ['a parent folder', '/v2/a/../b/manifests/latest', 'NAME_INVALID'],
    ['a parent folder at the beginning', '/v2/../v2/a/manifests/latest', 'NAME_INVALID'],
    ['the current folder', '/v2/./a/manifests/latest', 'NAME_INVALID'],
    ['a parent folder as a tag', '/v2/a/manifests/..', 'MANIFEST_UNKNOWN'],
    ['a dot that was encoded twice', '/v2/a/%2e%2e/b/manifests/latest', 'NAME_INVALID'],
    ['a slash that was encoded twice', '/v2/a%2fb/manifests/latest', 'NAME_INVALID'],
    ['an empty component', '/v2//a/manifests/latest', 'NAME_INVALID'],
    ['an empty component in the name', '/v2/a//b/manifests/latest', 'NAME_INVALID'],
    ['NUL in the name', '/v2/a\0/manifests/latest', 'NAME_INVALID'],
    ['NUL in the tag', '/v2/a/manifests/latest\0', 'MANIFEST_UNKNOWN'],
    ['a line break in the name', '/v2/a\n/manifests/latest', 'NAME_INVALID'],
    ['a line break at the end', '/v2/a/tags/list\n', 'NOT_FOUND'],
    ['a letter outside ASCII', '/v2/ä/manifests/latest', 'NAME_INVALID'],
    ['the catalog as a repository', '/v2/_catalog/tags/list', 'NAME_INVALID'],
    ['the separator of table keys', '/v2/a#tag/manifests/latest', 'NAME_INVALID'],
    ['a folder as a digest', '/v2/a/blobs/sha256:..', 'DIGEST_INVALID'],
    ['a file as a digest', '/v2/a/blobs/passwd', 'DIGEST_INVALID'],
    ['a file as an upload id', '/v2/a/blobs/uploads/passwd', 'BLOB_UPLOAD_UNKNOWN'],
    ['a malformed digest of a manifest', '/v2/a/manifests/sha256:baddigeststring', 'DIGEST_INVALID'],
  ])('is rejected: %s', (_, path, code) => {
    expect(codeOf(() => match(routes, 'GET', path))).toBe(code)
  })
})

it('match rejects the push of a malformed tag as TAG_INVALID', () => {
  expect(codeOf(() => match(routes, 'PUT', '/v2/a/manifests/.latest'))).toBe('TAG_INVALID')
})

it('match returns a route with valid parameters or throws a registry error, for any path', () => {
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

it('match needs little time for a path of 1,000 repeated segments', async () => {
  const time = await processorTime(() => {
    for (const unit of ['/blobs', '/blobs/uploads', '/a', '/manifests/', '/tags/list'])
      codeOf(() => match(routes, 'GET', `/v2${unit.repeat(1000)}`))
  })
  expect(time).toBeLessThan(1000)
})
