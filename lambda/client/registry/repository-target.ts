import type { Digest } from '../../protocol/digest.ts'
import { isObject } from '../../protocol/json-fields.ts'
import { OCI_INDEX } from '../../protocol/media-types.ts'
import type { RepositoryName } from '../../protocol/name.ts'
import type { Tag } from '../../protocol/reference.ts'
import { type BlobDescriptor, type ManifestContent, parseContent } from '../content.ts'
import type { OpenBlob, Source, Target } from '../ports.ts'
import { sha256 } from '../verify.ts'
import { RefusedError, refusal } from './refusal.ts'
import type { Registry } from './registry.ts'
import { ACCEPT, RepositorySource, referrersTag } from './repository-source.ts'
import { discard } from './transport.ts'
import { hasBlob, sessionOf, type UploadSession, uploadBlob } from './upload.ts'

/** A repository of a registry, as a target. */
export class RepositoryTarget implements Target {
  readonly parallel = 4
  readonly #registry: Registry
  readonly #repository: RepositoryName
  readonly #scopes: readonly string[]
  /** Sessions that a refused mount began. */
  readonly #sessions = new Map<Digest, UploadSession>()

  constructor(registry: Registry, repository: RepositoryName) {
    this.#registry = registry
    this.#repository = repository
    this.#scopes = [`repository:${repository}:pull,push`]
  }

  get name(): string {
    return `${this.#registry.name}/${this.#repository}`
  }

  async hasManifest(digest: Digest, signal?: AbortSignal): Promise<boolean> {
    const target = `/v2/${this.#repository}/manifests/${digest}`
    const headers = { accept: ACCEPT }
    const response = await this.#registry.send({
      method: 'HEAD',
      target,
      headers,
      scopes: this.#scopes,
      signal,
    })
    await discard(response)
    return response.status === 200
  }

  async findBlob({ digest }: BlobDescriptor, from: Source['mountable'], signal?: AbortSignal) {
    const [registry, repository, scopes] = [this.#registry, this.#repository, this.#scopes]
    if (await hasBlob({ registry, repository, scopes, digest, signal })) return 'exists'
    if (from?.registry !== registry.origin || from.repository === repository) return undefined
    return (await this.#mount(digest, from.repository, signal)) ? 'mounted' : undefined
  }

  /** A mount is a hint: where the registry does not take it, the blob is uploaded (distribution spec, "Mounting a blob"). */
  async #mount(digest: Digest, from: string, signal?: AbortSignal): Promise<boolean> {
    const query = new URLSearchParams({ mount: digest, from })
    const response = await this.#registry.send({
      method: 'POST',
      target: `/v2/${this.#repository}/blobs/uploads/?${query}`,
      headers: { 'content-length': '0' },
      scopes: [...this.#scopes, `repository:${from}:pull`],
      signal,
    })
    await discard(response)
    if (response.status === 202)
      this.#sessions.set(digest, sessionOf(response, `${this.name} refused a mount`))
    return response.status === 201
  }

  async putBlob({ digest, size }: BlobDescriptor, open: OpenBlob, signal?: AbortSignal): Promise<void> {
    const session = this.#sessions.get(digest)
    const [registry, repository, scopes] = [this.#registry, this.#repository, this.#scopes]
    await uploadBlob({ registry, repository, scopes, digest, size, open, session, signal })
  }

  async putManifest(manifest: ManifestContent, tag?: Tag, signal?: AbortSignal): Promise<void> {
    const { bytes, mediaType, digest } = manifest
    const response = await this.#registry.send({
      method: 'PUT',
      target: `/v2/${this.#repository}/manifests/${tag ?? digest}`,
      headers: { 'content-type': mediaType },
      body: bytes,
      scopes: this.#scopes,
      signal,
    })
    const name = `${this.name}${tag ? `:${tag}` : `@${digest}`}`
    if (response.status < 200 || response.status > 299) throw await refusal(response, `cannot write ${name}`)
    await discard(response)
    const { subject } = parseContent(manifest, name)
    if (subject && response.headers['oci-subject'] === undefined)
      await this.#addToTag(subject, manifest, signal)
  }

  /** The client keeps the list of referrers where the registry does not (distribution spec, "Pushing Manifests with Subject"). */
  async #addToTag(subject: Digest, referrer: ManifestContent, signal?: AbortSignal): Promise<void> {
    const tag = referrersTag(subject)
    const source = new RepositorySource(this.#registry, this.#repository)
    const before = await source.manifest({ kind: 'tag', tag }, signal).catch(error => {
      if (error instanceof RefusedError && error.status === 404) return undefined
      throw error
    })
    const index: unknown = before ? JSON.parse(Buffer.from(before.bytes).toString()) : undefined
    const manifests: unknown[] = isObject(index) && Array.isArray(index.manifests) ? index.manifests : []
    if (manifests.some(one => isObject(one) && one.digest === referrer.digest)) return
    const fields: Record<string, unknown> = JSON.parse(Buffer.from(referrer.bytes).toString())
    const config = isObject(fields.config) ? fields.config.mediaType : undefined
    const descriptor = {
      mediaType: referrer.mediaType,
      digest: referrer.digest,
      size: referrer.bytes.length,
      artifactType: fields.artifactType ?? config,
      annotations: fields.annotations,
    }
    const document = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [...manifests, descriptor] }
    const bytes = Buffer.from(JSON.stringify(document))
    await this.putManifest({ bytes, mediaType: OCI_INDEX, digest: sha256(bytes) }, tag, signal)
  }
}
