import { expect, it } from 'vitest'
import { openRegistry } from '../support/registry.ts'

const registry = openRegistry()

it.each(['/v2/', '/v2'])('GET %s responds as a registry', async path => {
  const response = await registry.expectStatus(200, 'GET', path)
  expect(response.text).toBe('{}')
  expect(response.headers).toMatchObject({
    'content-type': 'application/json',
    'docker-distribution-api-version': 'registry/2.0',
  })
})

it.each(['/v2/', '/v2'])('HEAD %s has the headers of GET and no body', async path => {
  const { headers } = await registry.expectStatus(200, 'GET', path)
  expect((await registry.expectStatus(200, 'HEAD', path)).headers).toEqual(headers)
})

it('POST /v2/ is rejected with the allowed methods', async () => {
  const { headers } = await registry.expectStatus(405, 'POST', '/v2/')
  expect(headers.allow).toBe('GET, HEAD')
})

it.each(['/v1/', '/v1/search', '/v2/unknown', '/favicon.ico'])('GET %s is NOT_FOUND', async path => {
  expect((await registry.expectStatus(404, 'GET', path)).code).toBe('NOT_FOUND')
})

it.each([
  '/v2/a%2f..%2fb/manifests/latest',
  '/v2/%2e%2e/manifests/latest',
  '/v2/a/%2e%2e/b/tags/list',
  '/v2/%252e%252e/tags/list',
  '/v2/a%252fb/tags/list',
  '/v2//tags/list',
  '/v2/a//b/tags/list',
  '/v2/a%00/tags/list',
  '/v2/%EF%BC%8E%EF%BC%8E/tags/list',
  '/v2/a%0d%0aSet-Cookie:x/tags/list',
  '/v2/a/blobs/..%2f..%2fetc%2fpasswd',
  '/v2/a/manifests/..%2f..%2fb%2fmanifests%2flatest',
  '/v2/a/blobs/uploads/..%2f..%2f..%2fb',
])('GET %s reaches no repository', async target => {
  await registry.pushImage('a', 'latest')
  await registry.pushImage('b', 'latest')
  const response = await registry.get(target)
  expect([400, 404]).toContain(response.status)
})
