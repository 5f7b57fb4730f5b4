import { digestAt, type ReceivedResponse, type SendOptions, send } from './http-client.ts'
import { type Content, contents, type Image } from './images.ts'

/** A small client of the distribution spec, for tests that control each request. */
export class RegistryClient {
  readonly #origin: string
  readonly repository: string

  constructor(origin: string, repository: string) {
    this.#origin = origin
    this.repository = repository
  }

  /** The URL of an endpoint of the repository. @param path such as `blobs/sha256:…` */
  url(path: string): string {
    return `${this.#origin}/v2/${this.repository}/${path}`
  }

  /** Begins an upload session. Returns its URL. */
  async openUpload(): Promise<string> {
    return this.#location(await this.#expect(202, this.url('blobs/uploads/'), { method: 'POST' }))
  }

  /** Appends to an upload session. Returns the URL for the next request. */
  async append(upload: string, body: NonNullable<SendOptions['body']>): Promise<string> {
    return this.#location(await this.#expect(202, upload, { method: 'PATCH', body }))
  }

  /** The number of bytes that an upload session has received. */
  async offset(upload: string): Promise<number> {
    const { headers } = await this.#expect(204, upload)
    const last = Number(/^0-(\d+)$/.exec(headers.range ?? '')?.[1])
    return last === 0 ? 0 : last + 1
  }

  async closeUpload(upload: string, digest: string, body?: Uint8Array): Promise<void> {
    const url = new URL(upload)
    url.searchParams.set('digest', digest)
    await this.#expect(201, url.href, { method: 'PUT', body: body ?? Buffer.alloc(0) })
  }

  /** Pushes a blob by a POST and one PUT. */
  async pushBlob({ digest, bytes }: Content): Promise<void> {
    await this.closeUpload(await this.openUpload(), digest, bytes)
  }

  async pushManifest({ mediaType, bytes }: Content, reference: string): Promise<void> {
    const url = this.url(`manifests/${reference}`)
    await this.#expect(201, url, { method: 'PUT', headers: { 'content-type': mediaType }, body: bytes })
  }

  async pushImage(image: Image, tag: string): Promise<void> {
    for (const child of image.children) await this.pushImage(child, child.manifest.digest)
    for (const blob of image.blobs) await this.pushBlob(blob)
    await this.pushManifest(image.manifest, tag)
  }

  async pullManifest(reference: string, mediaType: string): Promise<Buffer> {
    const url = this.url(`manifests/${reference}`)
    return (await this.#expect(200, url, { headers: { accept: mediaType } })).bytes
  }

  /** Pulls a blob and computes the digest of its bytes. */
  digestOfBlob(digest: string): Promise<string> {
    return digestAt(this.url(`blobs/${digest}`), digest.startsWith('sha512:') ? 'sha512' : 'sha256')
  }

  /** The digests of those blobs and manifests of an image whose bytes the registry does not return unchanged. */
  async missing(image: Image): Promise<string[]> {
    const missing: string[] = []
    const manifests = new Set([image, ...image.children].map(({ manifest }) => manifest))
    for (const part of contents(image)) {
      const intact = manifests.has(part)
        ? part.bytes.equals(await this.pullManifest(part.digest, part.mediaType))
        : (await this.digestOfBlob(part.digest)) === part.digest
      if (!intact) missing.push(part.digest)
    }
    return missing
  }

  async #expect(status: number, url: string, options: SendOptions = {}): Promise<ReceivedResponse> {
    const response = await send(url, options)
    if (response.status === status) return response
    throw new Error(
      `${options.method ?? 'GET'} ${url} returned ${response.status}, not ${status}:\n${response.bytes}`,
    )
  }

  #location({ headers }: ReceivedResponse): string {
    return new URL(headers.location ?? '', this.#origin).href
  }
}
