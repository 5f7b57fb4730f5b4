import { type Answer, digestAt, type Sent, send } from './http-client.ts'
import { type Content, contents, type Image } from './images.ts'

/** A small client of the distribution-spec for tests that steer every request themselves. */
export class RegistryClient {
  readonly #origin: string
  readonly repository: string

  constructor(origin: string, repository: string) {
    this.#origin = origin
    this.repository = repository
  }

  /** The address of an end-point of the repository, such as `blobs/sha256:…`. */
  url(path: string): string {
    return `${this.#origin}/v2/${this.repository}/${path}`
  }

  /** Opens an upload session. Gives its address. */
  async openUpload(): Promise<string> {
    const answer = await this.#expect(202, this.url('blobs/uploads/'), { method: 'POST' })
    return this.#location(answer)
  }

  /** Appends to an upload. Gives the address for what comes next. */
  async append(upload: string, body: NonNullable<Sent['body']>): Promise<string> {
    return this.#location(await this.#expect(202, upload, { method: 'PATCH', body }))
  }

  /** How many bytes of an upload the registry holds. */
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

  /** POST, then one PUT with everything. */
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

  /** The digest of the bytes that the registry gives for a blob. */
  digestOfBlob(digest: string): Promise<string> {
    return digestAt(this.url(`blobs/${digest}`), digest.startsWith('sha512:') ? 'sha512' : 'sha256')
  }

  /** Digests of an image's contents that the registry does not give back byte for byte. */
  async missing(image: Image): Promise<string[]> {
    const lost: string[] = []
    const manifests = new Set([image, ...image.children].map(({ manifest }) => manifest))
    for (const part of contents(image)) {
      const found = manifests.has(part)
        ? part.bytes.equals(await this.pullManifest(part.digest, part.mediaType))
        : (await this.digestOfBlob(part.digest)) === part.digest
      if (!found) lost.push(part.digest)
    }
    return lost
  }

  async #expect(status: number, url: string, sent: Sent = {}): Promise<Answer> {
    const answer = await send(url, sent)
    if (answer.status === status) return answer
    throw new Error(
      `${sent.method ?? 'GET'} ${url} answered ${answer.status}, not ${status}:\n${answer.bytes}`,
    )
  }

  #location({ headers }: Answer): string {
    return new URL(headers.location ?? '', this.#origin).href
  }
}
