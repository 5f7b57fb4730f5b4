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
import { expectKept } from './secrets-in-logs.ts'

/** Whatever JSON the registry answers with. */
interface Document {
  readonly errors?: readonly { code: string; message: string; detail?: Readonly<Record<string, unknown>> }[]
  readonly repositories?: readonly string[]
  readonly name?: string
  readonly tags?: readonly string[]
  readonly schemaVersion?: number
  readonly mediaType?: string
  readonly manifests?: readonly Descriptor[]
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly bytes: Buffer
  readonly text: string
  /** The body, parsed; an empty document where it is none. */
  readonly json: Document
  /** The code of the error document, and its detail. */
  readonly code: string | undefined
  readonly detail: Readonly<Record<string, unknown>> | undefined
  readonly exchange: HandledRequest
}

export interface Sent {
  readonly headers?: Readonly<Record<string, string>>
  /** Bytes go out with their length, pieces without. */
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>
}

interface Parts {
  readonly table?: Table
  readonly store?: BlobStore
  readonly origin?: string
  readonly direct?: DirectUploadOptions
  readonly signUpload?: Context['signUpload']
  readonly minChunkSize?: number
  readonly auth?: Auth
  readonly corsOrigins?: readonly string[]
  /** Patterns of sparse repositories. */
  readonly sparse?: readonly string[]
  /** Replaces the timer of the registry. */
  readonly pause?: (milliseconds: number) => Promise<void>
  /** By which the door says that clients know it. */
  readonly clientOrigin?: string
  /** Wraps the app, as a server does. */
  readonly around?: (app: App) => App
}

export const GRACE = 24 * 60 * 60 * 1000
export const UPLOAD_LIFE = 24 * 60 * 60 * 1000

export type TestRegistry = ReturnType<typeof openRegistry>

/** A registry in memory, and a client in front of its door that holds every answer against the laws of all answers. */
export function openRegistry({
  table = new MemoryTable(),
  store = new MemoryBlobs(),
  origin = '',
  direct,
  signUpload,
  minChunkSize,
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
    gracePeriod: GRACE,
    uploadLifetime: UPLOAD_LIFE,
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
    auth,
    corsOrigins,
  })
  const app = around(inner)

  /** What the door would hand to the app for this request. Of the answer every door writes a line, which holds no secret. */
  async function exchange(
    method: string,
    target: string,
    { headers = {}, body = '' }: Sent = {},
  ): Promise<HandledRequest> {
    const [path = '', ...query] = target.split('?')
    const whole = typeof body === 'string' || body instanceof Uint8Array
    const length: Record<string, string> = whole
      ? { 'content-length': String(Buffer.byteLength(body)) }
      : { 'transfer-encoding': 'chunked' }
    const done = await app({
      method,
      path: decodeURIComponent(path),
      query: new URLSearchParams(query.join('?')),
      headers: { ...length, ...headers },
      ...(clientOrigin && { origin: { url: clientOrigin, isConfigured: false } }),
      remote: '192.0.2.1',
      body: whole ? pieces(body) : body,
    })
    expectKept({ method, target, headers, body }, done)
    return done
  }

  async function request(method: string, target: string, sent?: Sent): Promise<Answer> {
    const done = await exchange(method, target, sent)
    if (!done.response) throw new Error(`${method} ${target} was not answered`)
    const bytes = await bodyOf(done.response)
    expectLawful(method, done.response, bytes)
    const text = bytes.toString()
    const isJson = /json$/.test(done.response.headers['content-type'] ?? '') && bytes.length > 0
    const json: Document = isJson ? JSON.parse(text) : {}
    const { code, detail } = json.errors?.[0] ?? {}
    return { ...done.response, bytes, text, json, code, detail, exchange: done }
  }

  async function expectStatus(status: number, method: string, target: string, sent?: Sent): Promise<Answer> {
    const answer = await request(method, target, sent)
    expect(answer.status, `${method} ${target}: ${answer.text.slice(0, 300)}`).toBe(status)
    return answer
  }

  const get = (target: string, headers: Record<string, string> = {}) => request('GET', target, { headers })
  const head = (target: string, headers: Record<string, string> = {}) => request('HEAD', target, { headers })

  /** Where the upload goes on. */
  async function beginUpload(name: string, query = ''): Promise<string> {
    const answer = await expectStatus(202, 'POST', `/v2/${name}/blobs/uploads/${query}`)
    return answer.headers.location ?? ''
  }

  async function pushBlob(name: string, content: string | Uint8Array, algorithm: Algorithm = 'sha256') {
    const named = digest(content, algorithm)
    await expectStatus(201, 'POST', `/v2/${name}/blobs/uploads/?digest=${named}`, { body: content })
    return named
  }

  function putManifest(name: string, reference: string, body: string | Uint8Array, type = typeOf(body)) {
    const headers = { 'content-type': type }
    return request('PUT', `/v2/${name}/manifests/${reference}`, { body, headers })
  }

  /** {@link putManifest}, and it must succeed. */
  async function pushManifest(name: string, reference: string, body: string | Uint8Array, type?: string) {
    const answer = await putManifest(name, reference, body, type)
    expect(answer.status, answer.text).toBe(201)
    return digest(body)
  }

  /** A whole image: config, layers, manifest. */
  async function pushImage(name: string, reference: string, layers: readonly string[] = ['layer']) {
    for (const blob of new Set(['{}', ...layers])) await pushBlob(name, blob)
    const document = imageOf(layers)
    return { document, digest: await pushManifest(name, reference, document) }
  }

  /** Goes from page to page until there is no next. */
  async function* pages(target: string): AsyncGenerator<Answer> {
    const seen = new Set<string>()
    for (let next: string | undefined = target; next; ) {
      if (seen.has(next)) throw new Error(`the pages go in a circle: ${next}`)
      seen.add(next)
      const page: Answer = await expectStatus(200, 'GET', next)
      yield page
      const { link } = page.headers
      next = link && /^<([^<>]+)>; rel="next"$/.exec(link)?.[1]?.replace(origin, '')
      if (link && !next) throw new Error(`a Link that nobody can follow: ${link}`)
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
    /** Lets time pass. */
    wait(milliseconds: number) {
      now += milliseconds
    },
  }
}

/** What must hold of every answer, whatever was asked. */
function expectLawful(method: string, { status, headers, body }: HttpResponse, bytes: Buffer): void {
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

/** Content in two pieces, as a socket might bring it. */
async function* pieces(content: string | Uint8Array): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(content)
  const middle = bytes.length >> 1
  if (middle > 0) yield bytes.subarray(0, middle)
  if (bytes.length > middle) yield bytes.subarray(middle)
}

/** Content of which nobody knows the length beforehand. */
export async function* streamed(...parts: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part)
}
