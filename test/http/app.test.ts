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

class Foreseen extends Error {}

/** An app with one row, whose handler does as it is told. */
const appThat = (handle: () => Promise<HttpResponse>) =>
  createApp({
    routes: [route('GET', '/v2/<name>/tags/list', 'pull', handle)],
    context: {},
    authorize: async () => undefined,
    explain: error => (error instanceof Foreseen ? new RegistryError('UNAVAILABLE') : undefined),
  })
const appThatThrows = (error: unknown) => appThat(() => Promise.reject(error))
const TAGS = request('GET', '/v2/a/b/tags/list')
const documentOf = ({ body }: HttpResponse) => JSON.parse(String(body))

it('says of every exchange which row served it, and for which repository', async () => {
  const exchange = await appThat(async () => ({ status: 204, headers: {} }))(TAGS)
  expect(exchange).toMatchObject({ route: '/v2/<name>/tags/list', action: 'pull', repository: 'a/b' })
  expect(exchange).not.toHaveProperty('code')
  expect(exchange).not.toHaveProperty('fault')
})

it('adds to every answer what clients tell a registry by', async () => {
  const { response } = await appThat(async () => ({ status: 200, headers: { 'x-own': '1' } }))(TAGS)
  expect(response?.headers).toEqual({
    'docker-distribution-api-version': 'registry/2.0',
    'x-content-type-options': 'nosniff',
    'x-own': '1',
  })
})

it('turns a registry error into its document, which is no fault of ours', async () => {
  const error = new RegistryError('TOOMANYREQUESTS', { detail: { a: 1 }, headers: { 'retry-after': '7' } })
  const exchange = await appThatThrows(error)(TAGS)
  expect(exchange).toMatchObject({ code: 'TOOMANYREQUESTS', repository: 'a/b' })
  expect(exchange).not.toHaveProperty('fault')
  expect(exchange.response).toMatchObject({ status: 429, headers: { 'retry-after': '7' } })
  expect(documentOf(exchange.response as HttpResponse).errors[0].detail).toEqual({ a: 1 })
})

it('turns an error that was foreseen into what it means, and keeps it for the log', async () => {
  const error = new Foreseen()
  const { response, code, fault } = await appThatThrows(error)(TAGS)
  expect({ status: response?.status, code }).toEqual({ status: 503, code: 'UNAVAILABLE' })
  expect(fault).toBe(error)
})

it.each(['EMFILE', 'ENFILE'])('answers 503 when no file can be opened: %s', async code => {
  const error = new Error('no blob', { cause: Object.assign(new Error('open'), { code }) })
  const { response, fault } = await appThatThrows(error)(TAGS)
  expect(response).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
  expect(fault).toBe(error)
})

it.each([new Error('secret=hunter2'), new TypeError('hunter2'), 'hunter2', null])(
  'turns an error that nobody foresaw into a 500 that tells nothing of it: %s',
  async error => {
    const exchange = await appThatThrows(error)(TAGS)
    expect(exchange).toMatchObject({ code: 'UNKNOWN', fault: error })
    expect(documentOf(exchange.response as HttpResponse)).toEqual({
      errors: [{ code: 'UNKNOWN', message: 'unknown error' }],
    })
    expect(JSON.stringify(exchange.response?.headers)).not.toContain('hunter2')
  },
)

it('does not answer a client that has gone', async () => {
  const exchange = await appThatThrows(new ClientGone())(TAGS)
  expect(exchange).toEqual({ route: '/v2/<name>/tags/list', action: 'pull', repository: 'a/b' })
})

describe('an error', () => {
  it('knows no row where none fits', async () => {
    const exchange = await appThatThrows(new Error())(request('GET', '/'))
    expect(exchange).toMatchObject({ code: 'NOT_FOUND', response: { status: 404 } })
    expect(exchange).not.toHaveProperty('route')
  })

  it('has the headers of its document alone when the request is a HEAD', () => {
    const error = new RegistryError('BLOB_UNKNOWN')
    const { body, headers } = errorResponse(error, 'HEAD')
    expect(body).toBeUndefined()
    expect(headers['content-length']).toBe(String(Buffer.byteLength(error.toDocument())))
  })

  it('counts bytes, not characters', () => {
    const { body, headers } = errorResponse(new RegistryError('NAME_INVALID', { detail: 'ä鯨' }), 'GET')
    expect(headers['content-length']).toBe(String((body as Uint8Array).length))
  })
})
