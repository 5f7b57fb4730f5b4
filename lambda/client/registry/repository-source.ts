import { type Digest, parseDigest } from '../../protocol/digest.ts'
import { isObject } from '../../protocol/json-fields.ts'
import { MAX_MANIFEST_SIZE } from '../../protocol/manifest.ts'
import { essence, manifestMediaTypes, shapeOf } from '../../protocol/media-types.ts'
import type { RepositoryName } from '../../protocol/name.ts'
import type { ByteRange } from '../../protocol/ranges.ts'
import { parseTag, type Reference, type Tag } from '../../protocol/reference.ts'
import { ClientError } from '../client-error.ts'
import { type BlobDescriptor, type ManifestContent, mediaTypeIn } from '../content.ts'
import { formatReference, referenceText, validTag } from '../image-name.ts'
import type { Source } from '../ports.ts'
import { hasDigest, sha256 } from '../verify.ts'
import { refusal } from './refusal.ts'
import { ATTEMPTS, mayPass, pauseBefore, type Registry } from './registry.ts'
import { type Bytes, discard, readAll } from './transport.ts'

export const ACCEPT = manifestMediaTypes().join(', ')
const MAX_LIST = 16 * 1024 * 1024

/** A repository of a registry, as a source. */
export class RepositorySource implements Source {
  readonly #registry: Registry
  readonly #repository: RepositoryName
  readonly #scopes: readonly string[]

  constructor(registry: Registry, repository: RepositoryName) {
    this.#registry = registry
    this.#repository = repository
    this.#scopes = [`repository:${repository}:pull`]
  }

  get name(): string {
    return `${this.#registry.name}/${this.#repository}`
  }

  get mountable() {
    return { registry: this.#registry.origin, repository: this.#repository }
  }

  async manifest(reference: Reference, signal?: AbortSignal): Promise<ManifestContent> {
    const text = referenceText(reference)
    const name = `${this.name}${formatReference(reference)}`
    const response = await this.#get(`manifests/${text}`, { accept: ACCEPT }, signal)
    if (response.status !== 200) throw await refusal(response, `cannot read ${name}`)
    const bytes = await readAll(response, MAX_MANIFEST_SIZE)
    const digest = reference.kind === 'digest' ? reference.digest : sha256(bytes)
    if (!hasDigest(bytes, digest)) throw new ClientError(`${name} has other bytes than its digest says`)
    // Some registries send `application/json`, or nothing.
    const contentType = essence(response.headers['content-type'] ?? '')
    return { bytes, digest, mediaType: shapeOf(contentType) ? contentType : mediaTypeIn(bytes) }
  }

  /** Goes on with the rest where the connection breaks. */
  async *blob({ digest, size }: BlobDescriptor, range?: ByteRange, signal?: AbortSignal): Bytes {
    const end = range ? range.last + 1 : size
    let offset = range?.first ?? 0
    for (let attempt = 1; offset < end; attempt++) {
      const isWhole = offset === 0 && end === size
      const headers: Record<string, string> = isWhole ? {} : { range: `bytes=${offset}-${end - 1}` }
      const response = await this.#get(`blobs/${digest}`, headers, signal)
      if (response.status !== 200 && response.status !== 206)
        throw await refusal(response, `cannot read blob ${digest} of ${this.name}`)
      let skip = response.status === 200 ? offset : 0
      try {
        for await (const piece of response.body) {
          // A registry may ignore the range.
          const skipped = Math.min(skip, piece.length)
          const wanted: Uint8Array = piece.subarray(skipped, skipped + end - offset)
          skip -= skipped
          if (wanted.length === 0) continue
          yield wanted
          offset += wanted.length
          if (offset === end) break
          attempt = 1
        }
        return
      } catch (cause) {
        signal?.throwIfAborted()
        const error = new ClientError(`${this.name} broke the connection in blob ${digest}`, { cause })
        if (!mayPass(error) || attempt === ATTEMPTS) throw error
        await this.#registry.pause(pauseBefore(attempt), signal)
      }
    }
  }

  /** By the referrers API, or by the tag that stands for it where the registry has none (distribution spec, "Referrers Tag Schema"). */
  async referrers(subject: Digest, signal?: AbortSignal): Promise<readonly Digest[]> {
    const found = await this.#pages(`/v2/${this.#repository}/referrers/${subject}`, 'manifests', signal)
    if (found) return found.flatMap(digestsIn)
    const response = await this.#get(`manifests/${referrersTag(subject)}`, { accept: ACCEPT }, signal)
    if (response.status !== 200) {
      await discard(response)
      return []
    }
    const index: unknown = parse(await readAll(response, MAX_MANIFEST_SIZE))
    return isObject(index) && Array.isArray(index.manifests) ? index.manifests.flatMap(digestsIn) : []
  }

  async tags(signal?: AbortSignal): Promise<readonly Tag[]> {
    const tags = await this.#pages(`/v2/${this.#repository}/tags/list`, 'tags', signal)
    return (tags ?? []).flatMap(tag => (typeof tag === 'string' ? validTag(tag) : []))
  }

  /** All pages of a list. @returns undefined where the registry has no such list */
  async #pages(path: string, field: string, signal?: AbortSignal): Promise<unknown[] | undefined> {
    const all: unknown[] = []
    let next: URL | undefined = new URL(path, this.#registry.origin)
    for (const seen = new Set<string>(); next && !seen.has(next.href); ) {
      seen.add(next.href)
      const response = await this.#registry.send({ target: next, scopes: this.#scopes, signal })
      if (response.status !== 200) {
        await discard(response)
        return undefined
      }
      const page: unknown = parse(await readAll(response, MAX_LIST))
      const list = isObject(page) ? page[field] : undefined
      if (Array.isArray(list)) all.push(...list)
      const link: string | undefined = /<([^>]+)>\s*;\s*rel="?next"?/.exec(response.headers.link ?? '')?.[1]
      next = link && URL.canParse(link, response.url.href) ? new URL(link, response.url) : undefined
    }
    return all
  }

  #get(path: string, headers: Readonly<Record<string, string>>, signal: AbortSignal | undefined) {
    const target = `/v2/${this.#repository}/${path}`
    return this.#registry.send({ target, headers, scopes: this.#scopes, signal })
  }
}

/** Stands for the referrers API where a registry has none. */
export function referrersTag(subject: Digest): Tag {
  return parseTag(subject.replace(':', '-'))
}

/** None where the algorithm is unknown. */
function digestsIn(descriptor: unknown): Digest[] {
  try {
    return isObject(descriptor) ? [parseDigest(String(descriptor.digest))] : []
  } catch {
    return []
  }
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString())
  } catch {
    return undefined
  }
}
