import { ClientError } from '../../lambda/client/client-error.ts'
import type { RegistryResponse } from '../../lambda/client/registry/registry.ts'
import { MAX_PUT, sessionOf, uploadBlob, withDigest } from '../../lambda/client/registry/upload.ts'
import type { App, HandledRequest } from '../../lambda/http/app.ts'
import { bodyLength, readBody } from '../../lambda/http/body.ts'
import { ClientGone, type HttpRequest, type HttpResponse } from '../../lambda/http/message.ts'
import { splitAtQuestionMarks } from '../../lambda/http/upload-query.ts'
import { type Digest, parseDigest } from '../../lambda/protocol/digest.ts'
import { RegistryError } from '../../lambda/protocol/errors.ts'
import { MAX_MANIFEST_SIZE } from '../../lambda/protocol/manifest.ts'
import { parseRepositoryName } from '../../lambda/protocol/name.ts'
import { parseChunkRange, uploadRange } from '../../lambda/protocol/ranges.ts'
import type { Login } from '../docker-config.ts'
import { requireClient } from './guard.ts'
import { forwardedHeaders, rewrittenHeaders } from './rewrite.ts'
import { scopesOf } from './scopes.ts'
import type { ProxyUpload, ProxyUploads } from './uploads.ts'
import { explainError, type Upstream } from './upstream.ts'

export interface ProxyOptions {
  readonly upstream: Upstream
  readonly uploads: ProxyUploads
  /** Whether blobs come through the proxy, instead of redirects to where the registry stores them. */
  readonly stream: boolean
  /** What clients must log in with, if anything. */
  readonly auth?: Login | undefined
  /** The largest blob that the registry takes in one PUT, in bytes. */
  readonly maxPut?: number
}

const UPLOADS = /^\/v2\/(.+)\/blobs\/uploads\/$/
const UPLOAD = /^\/v2\/(.+)\/blobs\/uploads\/([0-9a-f-]{36})$/
const BLOB = /^\/v2\/.+\/blobs\/(sha\d+:[0-9a-f]+)$/

/**
 * A registry that forwards everything to another one. A layer that a client streams is held in a temporary file until its digest and its
 * length are known, and sent in one PUT.
 */
export function createProxyApp(options: ProxyOptions): App {
  const forwarder = new Forwarder(options)
  return async request => {
    const about = describe(request)
    try {
      requireClient(request, options.auth)
      return { ...about, response: await forwarder.respond(request) }
    } catch (error) {
      if (error instanceof ClientGone) return about
      return { ...about, ...explainError(error, request.method) }
    }
  }
}

/** For the log, which holds no query. */
function describe({ path }: HttpRequest): Pick<HandledRequest, 'route'> {
  return { route: path.replace(UPLOAD, '/v2/$1/blobs/uploads/<upload>') }
}

class Forwarder {
  readonly #options: ProxyOptions
  constructor(options: ProxyOptions) {
    this.#options = options
  }

  async respond(request: HttpRequest): Promise<HttpResponse> {
    const { method, path } = request
    const [, posted] = UPLOADS.exec(path) ?? []
    if (posted && method === 'POST') return this.#begin(request, parseRepositoryName(posted))
    const [, repository, id] = UPLOAD.exec(path) ?? []
    if (!repository || !id) return this.#forward(request)
    const { uploads } = this.#options
    if (method === 'GET') return progress(204, uploads.find(id, repository))
    return uploads.use(id, repository, async upload => {
      if (method === 'PATCH') return this.#append(request, upload)
      if (method === 'PUT') return this.#finish(request, upload)
      if (method !== 'DELETE')
        throw new RegistryError('UNSUPPORTED', { headers: { allow: 'GET, PATCH, PUT, DELETE' } })
      await uploads.drop(id)
      return { status: 204, headers: {} }
    })
  }

  /** The registry decides who may upload, and whether it can mount. */
  async #begin(request: HttpRequest, repository: string): Promise<HttpResponse> {
    const query = new URLSearchParams(request.query)
    const digest = query.get('digest')
    if (digest !== null) parseDigest(digest)
    query.delete('digest')
    const response = await this.#options.upstream.send(request, {
      method: 'POST',
      target: `${request.path}${query.size > 0 ? `?${query}` : ''}`,
      headers: { 'content-length': '0' },
      scopes: scopesOf('POST', request.path, query.get('from') ?? undefined),
    })
    if (response.status !== 202) return this.#toClient(request, response)
    response.body.resume()
    const session = sessionOf(
      response,
      `${this.#options.upstream.registry.name} refused an upload to ${repository}`,
    )
    const upload = this.#options.uploads.begin(repository, session)
    return digest === null ? progress(202, upload) : this.#finish(request, upload)
  }

  async #append(request: HttpRequest, upload: ProxyUpload): Promise<HttpResponse> {
    const range = request.headers['content-range']
    await this.#options.uploads.append(
      upload,
      request.body,
      range === undefined ? undefined : parseChunkRange(range),
    )
    return progress(202, upload)
  }

  async #finish(request: HttpRequest, upload: ProxyUpload): Promise<HttpResponse> {
    const { uploads, maxPut = MAX_PUT } = this.#options
    const digest = parseDigest(splitAtQuestionMarks(request.query).get('digest') ?? '')
    const length = bodyLength(request)
    try {
      if (upload.size === 0 && length !== undefined && length > 0 && length <= maxPut)
        return await this.#pass(request, { upload, digest, length })
      if (length !== 0) await this.#append(request, upload)
      const found = await uploads.digest(upload, digest)
      if (found !== digest)
        throw new RegistryError('DIGEST_INVALID', {
          message: `the upload has the digest ${found}, not ${digest}`,
        })
      await uploadBlob({
        registry: this.#options.upstream.registry,
        repository: upload.repository,
        scopes: scopesOf('PUT', request.path),
        authorization: this.#options.upstream.loginOf(request),
        digest,
        size: upload.size,
        open: range => uploads.read(upload, range),
        session: upload.upstream,
        signal: this.#options.upstream.signal,
        maxPut,
      })
      return created(upload, digest)
    } finally {
      await uploads.drop(upload.id)
    }
  }

  /** A whole blob whose length is known needs no temporary file. */
  async #pass(
    request: HttpRequest,
    {
      upload,
      digest,
      length,
    }: { readonly upload: ProxyUpload; readonly digest: Digest; readonly length: number },
  ): Promise<HttpResponse> {
    const response = await this.#options.upstream.send(request, {
      method: 'PUT',
      target: withDigest(upload.upstream.location, digest),
      headers: { 'content-length': String(length), 'content-type': 'application/octet-stream' },
      body: once(request.body),
      scopes: scopesOf('PUT', request.path),
      attempts: 1,
    })
    if (![200, 201, 204].includes(response.status)) return this.#toClient(request, response)
    response.body.resume()
    return created(upload, digest)
  }

  async #forward(request: HttpRequest): Promise<HttpResponse> {
    const { method, path, query } = request
    const isRead = method === 'GET' || method === 'HEAD'
    // jib sends even manifests without a length.
    const body = isRead || bodyLength(request) === 0 ? undefined : await readBody(request, MAX_MANIFEST_SIZE)
    const response = await this.#options.upstream.send(request, {
      method,
      target: `${path.split('/').map(encodeURIComponent).join('/').replaceAll('%3A', ':')}${query.size > 0 ? `?${query}` : ''}`,
      headers: { ...forwardedHeaders(request), ...(!isRead && !body && { 'content-length': '0' }) },
      ...(body && { body }),
      scopes: scopesOf(method, path),
      follow: this.#options.stream,
    })
    return this.#toClient(request, response)
  }

  #toClient({ method, origin, path }: HttpRequest, response: RegistryResponse): HttpResponse {
    const addresses = { upstream: this.#options.upstream.registry.origin, proxy: origin?.url ?? '' }
    const headers = rewrittenHeaders(response, addresses)
    const { status, body } = response
    // Where a redirect was followed, the store responded, which knows no digests of registries.
    const [, digest] = BLOB.exec(path) ?? []
    const isBlob = digest && (status === 200 || status === 206)
    const more = isBlob && !headers['docker-content-digest'] ? { 'docker-content-digest': digest } : {}
    if (method === 'HEAD' || status === 204 || status === 304) body.resume()
    return {
      status,
      headers: { ...headers, ...more },
      ...(method !== 'HEAD' && status !== 204 && status !== 304 && { body }),
    }
  }
}

/** What a client sends cannot be sent again. */
function once(body: HttpRequest['body']): () => HttpRequest['body'] {
  let isSent = false
  return () => {
    if (isSent)
      throw new ClientError(
        'the registry wants a blob again that the client has sent already: repeat the push',
      )
    isSent = true
    return body
  }
}

function progress(status: number, { id, repository, size }: ProxyUpload): HttpResponse {
  // Many clients append `&digest=` whether the URL has a query or not.
  const location = `/v2/${repository}/blobs/uploads/${id}?v=1`
  return {
    status,
    headers: {
      location,
      range: uploadRange(size),
      'docker-upload-uuid': id,
      ...(status !== 204 && { 'content-length': '0' }),
    },
  }
}

function created({ repository }: ProxyUpload, digest: Digest): HttpResponse {
  const location = `/v2/${repository}/blobs/${digest}`
  return { status: 201, headers: { location, 'docker-content-digest': digest, 'content-length': '0' } }
}
