import { request } from 'node:https'
import { buffer } from 'node:stream/consumers'
import type { ReceivedResponse, SendOptions } from '../support/http-client.ts'
import type { Content, Image } from '../support/images.ts'
import type { Account } from './account.ts'
import type { Deployment } from './deployment.ts'
import type { Ministack } from './ministack.ts'

interface Origin {
  /** Host name of the API, as the distribution has it. */
  readonly host: string
  /** The header that the distribution adds to each request. */
  readonly header: Readonly<Record<string, string>>
}

/**
 * A client of a deployed registry. It sends requests to the API as CloudFront does: to the host name and with the header of the
 * distribution's origin. The two edge functions do not run, because MiniStack cannot run them.
 */
export class DeployedRegistry {
  readonly #ministack: Ministack
  readonly #deployment: Deployment
  readonly #account: Account

  constructor(ministack: Ministack, deployment: Deployment, account: Account) {
    this.#ministack = ministack
    this.#deployment = deployment
    this.#account = account
  }

  /** The distribution's origin for the API. */
  async origin(): Promise<Origin> {
    const all = await this.#deployment.resources()
    const id = all.find(({ type }) => type === 'AWS::CloudFront::Distribution')?.physicalId ?? ''
    const config = await this.#account.distribution(id)
    const api = config?.Origins?.Items?.find(({ Id }) => Id === 'api')
    const [added] = api?.CustomHeaders?.Items ?? []
    return {
      host: api?.DomainName ?? '',
      header: { [added?.HeaderName ?? 'absent']: added?.HeaderValue ?? '' },
    }
  }

  /** Sends a request as CloudFront forwards it. */
  async send(path: string, options: SendOptions = {}): Promise<ReceivedResponse> {
    const { host, header } = await this.origin()
    return this.#request(host, path, { ...options, headers: { ...options.headers, ...header } })
  }

  /** Sends a request to the API's own address, without the edge header. */
  async sendToApi(path: string): Promise<ReceivedResponse> {
    return this.#request((await this.origin()).host, path, {})
  }

  /** Logs in as the first administrator, with the password that the deployment generated. */
  async token(scope: string): Promise<string> {
    const { status, bytes } = await this.send(`/token?service=longshore&scope=${scope}`, {
      headers: { authorization: `Basic ${Buffer.from(`admin:${await this.password()}`).toString('base64')}` },
    })
    if (status !== 200) throw new Error(`the login failed with ${status}: ${bytes}`)
    return JSON.parse(bytes.toString()).token
  }

  async password(): Promise<string> {
    const [, id = ''] = /--secret-id (\S+)/.exec(this.#deployment.output('FirstLogin')) ?? []
    return this.#account.secretValue(id)
  }

  /** Begins an upload session. @returns its path and query */
  async openUpload(repository: string, token: string): Promise<string> {
    const path = `/v2/${repository}/blobs/uploads/`
    const { headers } = await this.#expect(202, path, { method: 'POST', headers: bearer(token) })
    return headers.location ?? ''
  }

  async closeUpload(session: string, token: string, { digest, bytes }: Content): Promise<void> {
    const headers = { ...bearer(token), 'content-type': 'application/octet-stream' }
    await this.#expect(201, `${session}&digest=${digest}`, { method: 'PUT', headers, body: bytes })
  }

  async push(repository: string, tag: string, { manifest, blobs }: Image): Promise<void> {
    const token = await this.token(`repository:${repository}:pull,push`)
    for (const blob of blobs) await this.closeUpload(await this.openUpload(repository, token), token, blob)
    await this.#expect(201, `/v2/${repository}/manifests/${tag}`, {
      method: 'PUT',
      headers: { ...bearer(token), 'content-type': manifest.mediaType },
      body: manifest.bytes,
    })
  }

  /** The manifest that a tag points to, and the URL that a blob is redirected to. */
  async pull(
    repository: string,
    tag: string,
    blob: Content,
  ): Promise<{ manifest: Buffer; location: string }> {
    const headers = bearer(await this.token(`repository:${repository}:pull`))
    const { bytes } = await this.#expect(200, `/v2/${repository}/manifests/${tag}`, { headers })
    const redirect = await this.#expect(307, `/v2/${repository}/blobs/${blob.digest}`, { headers })
    return { manifest: bytes, location: redirect.headers.location ?? '' }
  }

  async #expect(status: number, path: string, options: SendOptions): Promise<ReceivedResponse> {
    const response = await this.send(path, options)
    if (response.status !== status)
      throw new Error(`${options.method ?? 'GET'} ${path} returned ${response.status}: ${response.bytes}`)
    return response
  }

  #request(host: string, path: string, options: SendOptions): Promise<ReceivedResponse> {
    const [api] = host.split('.')
    return fetchFrom(
      this.#ministack,
      `https://${api}.execute-api.localhost:${this.#ministack.port}${path}`,
      options,
    )
  }
}

/** Sends a request to MiniStack without AWS credentials. */
export async function fetchFrom(
  { agent }: Ministack,
  url: string,
  { method = 'GET', headers = {}, body }: SendOptions = {},
): Promise<ReceivedResponse> {
  const length = body instanceof Uint8Array ? { 'content-length': String(body.length) } : {}
  const outgoing = request(url, { method, headers: { ...length, ...headers }, agent })
  return new Promise((resolve, reject) => {
    outgoing.once('error', reject).once('response', response => {
      buffer(response).then(
        bytes => resolve({ status: response.statusCode ?? 0, headers: response.headers, bytes }),
        reject,
      )
    })
    outgoing.end(body)
  })
}

export function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` }
}
