import { describe, expect, it } from 'vitest'
import { createApp, errorResponse } from '../../lambda/http/app.ts'
import { ClientGone, type HttpRequest, type HttpResponse } from '../../lambda/http/message.ts'
import { route } from '../../lambda/http/router.ts'
import { RegistryError } from '../../lambda/protocol/errors.ts'
import { streamed } from '../support/registry.ts'

const request = (method: string, path: string): HttpRequest => ({
  method,
  path,
  query: new URLSearchParams(),
  headers: {},
  body: streamed(),
})

class ExpectedError extends Error {}

/** An app with one route. */
const appWith = (handle: () => Promise<HttpResponse>) =>
  createApp({
    routes: [route('GET', '/v2/<name>/tags/list', 'pull', handle)],
    context: {},
    authorize: async () => undefined,
    explain: error => (error instanceof ExpectedError ? new RegistryError('UNAVAILABLE') : undefined),
  })
const appThatThrows = (error: unknown) => appWith(() => Promise.reject(error))
const TAGS = request('GET', '/v2/a/b/tags/list')
const documentOf = ({ body }: HttpResponse) => JSON.parse(String(body))

it('an app reports the route, the action and the repository of a request', async () => {
  const exchange = await appWith(async () => ({ status: 204, headers: {} }))(TAGS)
  expect(exchange).toMatchObject({ route: '/v2/<name>/tags/list', action: 'pull', repository: 'a/b' })
  expect(exchange).not.toHaveProperty('code')
  expect(exchange).not.toHaveProperty('fault')
})

it('an app adds the headers of a registry to every response', async () => {
  const { response } = await appWith(async () => ({ status: 200, headers: { 'x-own': '1' } }))(TAGS)
  expect(response?.headers).toEqual({
    'docker-distribution-api-version': 'registry/2.0',
    'x-content-type-options': 'nosniff',
    'x-own': '1',
  })
})

it('an app converts a registry error to its error document, and reports no fault', async () => {
  const error = new RegistryError('TOOMANYREQUESTS', { detail: { a: 1 }, headers: { 'retry-after': '7' } })
  const exchange = await appThatThrows(error)(TAGS)
  expect(exchange).toMatchObject({ code: 'TOOMANYREQUESTS', repository: 'a/b' })
  expect(exchange).not.toHaveProperty('fault')
  expect(exchange.response).toMatchObject({ status: 429, headers: { 'retry-after': '7' } })
  expect(documentOf(exchange.response as HttpResponse).errors[0].detail).toEqual({ a: 1 })
})

it('an app converts an expected error, and reports it as a fault', async () => {
  const error = new ExpectedError()
  const { response, code, fault } = await appThatThrows(error)(TAGS)
  expect({ status: response?.status, code }).toEqual({ status: 503, code: 'UNAVAILABLE' })
  expect(fault).toBe(error)
})

it.each(['EMFILE', 'ENFILE'])('an app responds 503 when no file can be opened: %s', async code => {
  const error = new Error('no blob', { cause: Object.assign(new Error('open'), { code }) })
  const { response, fault } = await appThatThrows(error)(TAGS)
  expect(response).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
  expect(fault).toBe(error)
})

it.each([new Error('secret=hunter2'), new TypeError('hunter2'), 'hunter2', null])(
  'an app converts an unexpected error to a 500 that does not disclose it: %s',
  async error => {
    const exchange = await appThatThrows(error)(TAGS)
    expect(exchange).toMatchObject({ code: 'UNKNOWN', fault: error })
    expect(documentOf(exchange.response as HttpResponse)).toEqual({
      errors: [{ code: 'UNKNOWN', message: 'unknown error' }],
    })
    expect(JSON.stringify(exchange.response?.headers)).not.toContain('hunter2')
  },
)

it('an app returns no response when the client has closed the connection', async () => {
  const exchange = await appThatThrows(new ClientGone())(TAGS)
  expect(exchange).toEqual({ route: '/v2/<name>/tags/list', action: 'pull', repository: 'a/b' })
})

describe('an error response', () => {
  it('is NOT_FOUND without a route when no route matches', async () => {
    const exchange = await appThatThrows(new Error())(request('GET', '/'))
    expect(exchange).toMatchObject({ code: 'NOT_FOUND', response: { status: 404 } })
    expect(exchange).not.toHaveProperty('route')
  })

  it('to a HEAD has only the headers of its document', () => {
    const error = new RegistryError('BLOB_UNKNOWN')
    const { body, headers } = errorResponse(error, 'HEAD')
    expect(body).toBeUndefined()
    expect(headers['content-length']).toBe(String(Buffer.byteLength(error.toDocument())))
  })

  it('has a Content-Length in bytes, not characters', () => {
    const { body, headers } = errorResponse(new RegistryError('NAME_INVALID', { detail: 'ä鯨' }), 'GET')
    expect(headers['content-length']).toBe(String((body as Uint8Array).length))
  })
})
