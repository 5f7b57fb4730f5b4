import { randomUUID } from 'node:crypto'
import { expect } from 'vitest'
import type { Auth } from '../../lambda/auth/auth.ts'
import { matchesAny } from '../../lambda/auth/policy/glob.ts'
import type { App, HandledRequest } from '../../lambda/http/app.ts'
import type { HttpResponse } from '../../lambda/http/message.ts'
import type { Algorithm } from '../../lambda/protocol/digest.ts'
import type { DirectUploadOptions } from '../../lambda/registry/dependencies.ts'
import { createRegistryApp } from '../../lambda/registry-app.ts'
import type { Context } from '../../lambda/routes/context.ts'
import type { BlobStore } from '../../lambda/store/blobs.ts'
import type { Table } from '../../lambda/store/table.ts'
import { type Descriptor, digest, imageOf, typeOf } from './content.ts'
import { MemoryBlobs } from './memory-blobs.ts'
import { MemoryTable } from './memory-table.ts'
import { expectNoSecretsLogged } from './secrets-in-logs.ts'

/** The fields of all JSON documents that the registry sends. */
interface Document {
  readonly errors?: readonly { code: string; message: string; detail?: Readonly<Record<string, unknown>> }[]
  readonly repositories?: readonly string[]
  readonly name?: string
  readonly tags?: readonly string[]
  readonly schemaVersion?: number
  readonly mediaType?: string
  readonly manifests?: readonly Descriptor[]
}

export interface TestResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly bytes: Buffer
  readonly text: string
  /** The parsed body. `{}` when the body is not JSON. */
  readonly json: Document
  /** Code and detail of the error document. `undefined` when the response is not an error. */
  readonly code: string | undefined
  readonly detail: Readonly<Record<string, unknown>> | undefined
  readonly exchange: HandledRequest
}

export interface RequestOptions {
  readonly headers?: Readonly<Record<string, string>>
  /** A string or bytes are sent with a Content-Length, an iterable without. */
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>
}

interface Parts {
  readonly table?: Table
  readonly store?: BlobStore
  readonly origin?: string
  readonly direct?: DirectUploadOptions
  readonly signUpload?: Context['signUpload']
  readonly minChunkSize?: number
  readonly relay?: Context['relay']
  readonly auth?: Auth
  readonly corsOrigins?: readonly string[]
  /** Patterns of sparse repositories. */
  readonly sparse?: readonly string[]
  /** Replaces the timer of the registry. */
  readonly pause?: (milliseconds: number) => Promise<void>
  /** The origin that an adapter derives from the request. */
  readonly clientOrigin?: string
  /** Wraps the app, as an adapter may do. */
  readonly around?: (app: App) => App
}

/** The grace period, in milliseconds. */
export const GRACE_PERIOD = 24 * 60 * 60 * 1000
/** How long an upload session may be idle before it expires, in milliseconds. */
export const UPLOAD_LIFETIME = 24 * 60 * 60 * 1000

export type TestRegistry = ReturnType<typeof openRegistry>

/**
 * Opens a registry in memory, with a client that calls its app without a socket. The client checks the rules that every
 * response must follow, and that no log record contains a secret.
 */
export function openRegistry({
  table = new MemoryTable(),
  store = new MemoryBlobs(),
  origin = '',
  direct,
  signUpload,
  minChunkSize,
  relay,
  auth,
  corsOrigins,
  clientOrigin,
  pause,
  sparse,
  around = app => app,
}: Parts = {}) {
  let now = Date.UTC(2026, 0, 1)
  const deps = {
    table,
    store,
    clock: () => now,
    newId: randomUUID,
    ...(pause && { pause }),
    ...(sparse && { isSparse: (name: string) => matchesAny(sparse, name) }),
    gracePeriod: GRACE_PERIOD,
    uploadLifetime: UPLOAD_LIFETIME,
    ...(direct && { directUploads: direct }),
  }
  const {
    app: inner,
    collector,
    directUploads,
  } = createRegistryApp(deps, {
    origin,
    ...(signUpload && { signUpload }),
    ...(minChunkSize !== undefined && { minChunkSize }),
    ...(relay && { relay }),
    auth,
    corsOrigins,
  })
  const app = around(inner)

  /** Calls the app as an adapter does, and checks that the log records of the request contain no secrets. */
  async function exchange(
    method: string,
    target: string,
    { headers = {}, body = '' }: RequestOptions = {},
  ): Promise<HandledRequest> {
    const [path = '', ...query] = target.split('?')
    const hasLength = typeof body === 'string' || body instanceof Uint8Array
    const length: Record<string, string> = hasLength
      ? { 'content-length': String(Buffer.byteLength(body)) }
      : { 'transfer-encoding': 'chunked' }
    const handled = await app({
      method,
      path: decodeURIComponent(path),
      query: new URLSearchParams(query.join('?')),
      headers: { ...length, ...headers },
      ...(clientOrigin && { origin: { url: clientOrigin, isConfigured: false } }),
      remote: '192.0.2.1',
      body: hasLength ? pieces(body) : body,
    })
    expectNoSecretsLogged({ method, target, headers, body }, handled)
    return handled
  }

  async function request(method: string, target: string, options?: RequestOptions): Promise<TestResponse> {
    const handled = await exchange(method, target, options)
    if (!handled.response) throw new Error(`${method} ${target} got no response`)
    const bytes = await bodyOf(handled.response)
    expectValidResponse(method, handled.response, bytes)
    const text = bytes.toString()
    const isJson = /json$/.test(handled.response.headers['content-type'] ?? '') && bytes.length > 0
    const json: Document = isJson ? JSON.parse(text) : {}
    const { code, detail } = json.errors?.[0] ?? {}
    return { ...handled.response, bytes, text, json, code, detail, exchange: handled }
  }

  async function expectStatus(
    status: number,
    method: string,
    target: string,
    options?: RequestOptions,
  ): Promise<TestResponse> {
    const response = await request(method, target, options)
    expect(response.status, `${method} ${target}: ${response.text.slice(0, 300)}`).toBe(status)
    return response
  }

  const get = (target: string, headers: Record<string, string> = {}) => request('GET', target, { headers })
  const head = (target: string, headers: Record<string, string> = {}) => request('HEAD', target, { headers })

  /** Begins an upload session. Returns its URL. */
  async function beginUpload(name: string, query = ''): Promise<string> {
    const { headers } = await expectStatus(202, 'POST', `/v2/${name}/blobs/uploads/${query}`)
    return headers.location ?? ''
  }

  /** Returns the digest of the blob. */
  async function pushBlob(name: string, content: string | Uint8Array, algorithm: Algorithm = 'sha256') {
    const named = digest(content, algorithm)
    await expectStatus(201, 'POST', `/v2/${name}/blobs/uploads/?digest=${named}`, { body: content })
    return named
  }

  function putManifest(name: string, reference: string, body: string | Uint8Array, type = typeOf(body)) {
    const headers = { 'content-type': type }
    return request('PUT', `/v2/${name}/manifests/${reference}`, { body, headers })
  }

  /** Expects {@link putManifest} to succeed. Returns the digest of the manifest. */
  async function pushManifest(name: string, reference: string, body: string | Uint8Array, type?: string) {
    const response = await putManifest(name, reference, body, type)
    expect(response.status, response.text).toBe(201)
    return digest(body)
  }

  /** Pushes a complete image: config, layers and manifest. */
  async function pushImage(name: string, reference: string, layers: readonly string[] = ['layer']) {
    for (const blob of new Set(['{}', ...layers])) await pushBlob(name, blob)
    const document = imageOf(layers)
    return { document, digest: await pushManifest(name, reference, document) }
  }

  /** Follows the `Link` headers of a list from its first page to its last. */
  async function* pages(target: string): AsyncGenerator<TestResponse> {
    const visited = new Set<string>()
    for (let next: string | undefined = target; next; ) {
      if (visited.has(next)) throw new Error(`the Link headers form a cycle: ${next}`)
      visited.add(next)
      const page: TestResponse = await expectStatus(200, 'GET', next)
      yield page
      const { link } = page.headers
      next = link && /^<([^<>]+)>; rel="next"$/.exec(link)?.[1]?.replace(origin, '')
      if (link && !next) throw new Error(`malformed Link header: ${link}`)
    }
  }

  return {
    table,
    store,
    collector,
    directUploads,
    exchange,
    request,
    expectStatus,
    get,
    head,
    beginUpload,
    pushBlob,
    putManifest,
    pushManifest,
    pushImage,
    pages,
    now: () => now,
    /** Advances the clock of the registry. */
    wait(milliseconds: number) {
      now += milliseconds
    },
  }
}

/** Checks the rules that every response must follow. */
function expectValidResponse(method: string, { status, headers, body }: HttpResponse, bytes: Buffer): void {
  expect(status).toBeGreaterThanOrEqual(200)
  expect(headers['docker-distribution-api-version']).toBe('registry/2.0')
  for (const [name, value] of Object.entries(headers)) {
    expect(name).toMatch(/^[a-z0-9-]+$/)
    expect(value).toMatch(/^[ -~]*$/)
  }
  const length = headers['content-length']
  if (method === 'HEAD' || status === 204 || status === 304) expect(body).toBeUndefined()
  else expect(length).toBe(String(bytes.length))
  if (method === 'HEAD' && status !== 304) expect(length).toMatch(/^\d+$/)
  if (status === 405) expect(headers.allow).toMatch(/^[A-Z]+(, [A-Z]+)*$/)
  if (status < 400) return
  expect(headers['content-type']).toBe('application/json')
  if (method === 'HEAD') return
  const { errors } = JSON.parse(bytes.toString()) as Document
  expect(errors).toHaveLength(1)
  expect(errors?.[0]).toMatchObject({ code: expect.stringMatching(/^[A-Z_]+$/), message: expect.any(String) })
}

async function bodyOf({ body = new Uint8Array() }: HttpResponse): Promise<Buffer> {
  if (body instanceof Uint8Array) return Buffer.from(body)
  const all: Uint8Array[] = []
  for await (const piece of body) all.push(piece)
  return Buffer.concat(all)
}

/** Splits content into two pieces, as it may arrive on a socket. */
async function* pieces(content: string | Uint8Array): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(content)
  const middle = bytes.length >> 1
  if (middle > 0) yield bytes.subarray(0, middle)
  if (bytes.length > middle) yield bytes.subarray(middle)
}

/** A body that is sent without a Content-Length. */
export async function* streamed(...parts: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part)
}
