import { createHash, type Hash } from 'node:crypto'
import { type Algorithm, type Digest, digestOf } from '../../protocol/digest.ts'
import type {
  BlobStore,
  ByteRange,
  Bytes,
  Draft,
  ObjectName,
  PresignRequest,
  UploadedObject,
} from '../blobs.ts'
import type { Credentials } from '../shared/aws-signing.ts'
import { HashCache } from '../shared/hash-cache.ts'
import { checkObjectName } from '../shared/object-name.ts'
import { WriteLock } from '../shared/write-lock.ts'
import type { Address } from './address.ts'
import { S3Body } from './body.ts'
import type { Bucket } from './bucket.ts'
import { cutParts } from './cut-parts.ts'
import { checksumOf, draftState } from './draft-state.ts'
import { blobKey, commitDraft, loadTail, objectKey, saveTail, tailKeys, uploadLastPart } from './drafts.ts'
import { mapS3Errors } from './errors.ts'
import { PartSender } from './part-sender.ts'
import { UrlSigner } from './presigned-url.ts'
import { type Hasher, ResumableHash } from './resumable-hash.ts'

const MAX_CACHED_HASHES = 1000
const MAX_BUFFER_BYTES = 64 * 2 ** 20
/**
 * The SHA-256 of all bytes of an object. The checksum of a multipart object is computed from its parts and ends in
 * `-<parts>`.
 */
const FULL_OBJECT_CHECKSUM = /^[A-Za-z0-9+/]{43}=$/

export interface S3BlobsOptions extends Address {
  /** Returns the current credentials. Called for every presigned URL, so it must cache. */
  readonly credentials: () => Promise<Credentials>
  /** The total size of the buffers of one append. With 64 MiB, the default, an object has at most 203 GiB. */
  readonly maxBufferBytes?: number
  /** Returns the signed URL of an object at a CDN. By default, clients fetch objects from S3 with presigned URLs. */
  readonly cdnUrl?: (key: string, request: PresignRequest) => string
}

/**
 * A {@link BlobStore} that keeps bytes in an S3 bucket, which any number of processes may use:
 *
 *     blobs/<object>           an object, or the multipart upload that becomes the object; objects are never copied
 *     direct/<id>/<repository> an object that a direct upload wrote
 *     tails/<object>/<0 or 1>  the bytes of a draft that do not fill a part yet; consecutive appends alternate between the two
 *
 * S3 verifies the SHA-256 of everything that it receives, and the adapter compares these checksums before a commit. It
 * thus detects when another process has overwritten a draft's bytes. The draft then fails with `DraftBusy` permanently
 * and never becomes an object.
 */
export class S3Blobs implements BlobStore {
  readonly #settings: S3BlobsOptions
  readonly #connect: (settings: S3BlobsOptions) => Promise<Bucket>
  readonly #hashes = new HashCache(MAX_CACHED_HASHES)
  readonly #locks = new WriteLock()
  readonly #signer: UrlSigner
  #connected: Promise<Bucket> | undefined

  constructor(settings: S3BlobsOptions, connect = connectLazily) {
    this.#settings = settings
    this.#signer = new UrlSigner(settings, settings.credentials)
    this.#connect = connect
  }

  begin(object: ObjectName, algorithm: Algorithm): Draft {
    checkObjectName(object)
    return { object, size: 0, algorithm, state: null }
  }

  append(draft: Draft, bytes: Bytes, wholeDigest?: Digest): Promise<Draft> {
    return this.#withLock(draft.object, async bucket => {
      const key = blobKey(draft.object)
      const state = draftState(draft)
      const hash = await this.#resumeHash(draft)
      const partsDigest = await ResumableHash.resume('sha256', state.print)
      let { upload } = state
      const before = { size: draft.size, tail: await loadTail(bucket, draft) }
      const sender = new PartSender(this.#settings.maxBufferBytes ?? MAX_BUFFER_BYTES)
      const { size, tail } = await cutParts(before, bytes, hash, sender, async (number, body) => {
        upload ??= await bucket.begin(key)
        const id = upload
        const checksum = checksumOf(body)
        partsDigest.update(Buffer.from(checksum, 'base64'))
        return signal => bucket.uploadPart(key, id, { number, body, checksum }, signal)
      })

      const longer = { ...draft, size }
      const multipart = upload === undefined ? {} : { upload, print: partsDigest.save() }
      const hex = hash && hexOf(hash)
      if (hex !== undefined && wholeDigest === digestOf(draft.algorithm, hex))
        return uploadLastPart(bucket, longer, tail, { ...state, ...multipart, hash: { hex } })
      if (size === draft.size) return draft
      const hashState = await this.#hashState(longer, hash, upload === undefined ? tail : undefined)
      return saveTail(bucket, longer, tail, { ...state, ...multipart, hash: hashState })
    })
  }

  /**
   * Needs no request for the draft's own algorithm, unless the process that hashed the bytes has ended and its hash
   * state was not saved. Otherwise the bytes must be read again. The draft must be committed for that, because the
   * parts of a multipart upload cannot be read.
   */
  async digest(draft: Draft, algorithm: Algorithm, beforeCommit?: () => Promise<void>): Promise<Digest> {
    const { object, size } = draft
    if (size === 0) return digestOf(algorithm, createHash(algorithm).digest('hex'))
    if (algorithm === draft.algorithm) {
      const hash = await this.#resumeHash(draft)
      const hex = draftState(draft).hash.hex ?? (hash && hexOf(hash))
      if (hex !== undefined) return digestOf(algorithm, hex)
    }
    await beforeCommit?.()
    await this.commit(draft)
    const hash = createHash(algorithm)
    for await (const piece of await this.read(object)) hash.update(piece)
    return digestOf(algorithm, hash.digest('hex'))
  }

  commit(draft: Draft): Promise<void> {
    return this.#withLock(draft.object, bucket => commitDraft(bucket, draft))
  }

  /** Removes everything of the draft, including what was written after `draft` was returned. */
  async discard({ object }: Draft): Promise<void> {
    this.#locks.discard(object)
    await this.#remove(object)
  }

  async read(object: ObjectName, range?: ByteRange): Promise<Bytes> {
    const bucket = await this.#bucket()
    return new S3Body(await bucket.get(objectKey(object), range))
  }

  async stat(object: ObjectName): Promise<{ readonly size: number } | undefined> {
    const found = await (await this.#bucket()).head(objectKey(object))
    return found && { size: found.size }
  }

  async delete(object: ObjectName): Promise<void> {
    await (await this.#bucket()).delete(objectKey(object))
  }

  /**
   * Sends no request. The URL expires no later than the credentials.
   * @throws {StoreBusy} when no credentials are available
   */
  async presign(object: ObjectName, request: PresignRequest): Promise<string> {
    const { method, mediaType, seconds } = request
    if (this.#settings.cdnUrl) return this.#settings.cdnUrl(objectKey(object), request)
    const credentials = await mapS3Errors(this.#settings.credentials())
    const now = new Date()
    const remaining = credentials.expiration
      ? (credentials.expiration.getTime() - now.getTime()) / 1000
      : seconds
    const expiresIn = Math.max(1, Math.floor(Math.min(seconds, remaining)))
    return mapS3Errors(
      this.#signer.sign({ method, key: objectKey(object), mediaType, now, seconds: expiresIn }),
    )
  }

  /** S3 reports the SHA-256 of an object that one request wrote with this checksum. S3 has verified it. */
  async findUploaded(object: ObjectName): Promise<UploadedObject | undefined> {
    const found = await (await this.#bucket()).head(objectKey(object))
    if (!found) return undefined
    const { size, checksum = '' } = found
    const hex = FULL_OBJECT_CHECKSUM.test(checksum)
      ? Buffer.from(checksum, 'base64').toString('hex')
      : undefined
    return { size, ...(hex && { digest: digestOf('sha256', hex) }) }
  }

  #withLock<T>(object: ObjectName, work: (bucket: Bucket) => Promise<T>): Promise<T> {
    return this.#locks.withLock(
      object,
      async () => work(await this.#bucket()),
      () => this.#remove(object),
    )
  }

  async #remove(object: ObjectName): Promise<void> {
    this.#hashes.forget(object)
    const bucket = await this.#bucket()
    const key = blobKey(object)
    const uploads = await bucket.listUploads(key)
    await Promise.all(uploads.map(upload => bucket.abort(key, upload)))
    await Promise.all([key, ...tailKeys(object)].map(key => bucket.delete(key)))
  }

  /** Returns the hash of the draft's bytes; `undefined` if its state was not saved and is not in the cache. */
  async #resumeHash(draft: Draft): Promise<Hash | ResumableHash | undefined> {
    const { algorithm, size } = draft
    if (size === 0) return createHash(algorithm)
    const { state } = draftState(draft).hash
    return state === undefined ? this.#hashes.find(draft, algorithm) : ResumableHash.resume(algorithm, state)
  }

  /**
   * Returns what the draft stores about its hash. A hash of node:crypto is four times as fast as a
   * {@link ResumableHash}, but its state cannot be saved. A short draft is therefore hashed again with a resumable
   * hash. For a longer one only the result is stored, and the hash itself is cached in this process.
   * @param all all bytes of a draft that is short enough to be in memory
   */
  async #hashState(draft: Draft, hash: Hash | ResumableHash | undefined, all?: Uint8Array) {
    if (hash instanceof ResumableHash) return { state: hash.save() }
    if (all) return { state: (await ResumableHash.resume(draft.algorithm)).update(all).save() }
    if (!hash) return {}
    this.#hashes.keep(draft, hash)
    return { hex: hexOf(hash) }
  }

  /** Connects on first use, so that a process which only presigns URLs never loads the S3 client. */
  #bucket(): Promise<Bucket> {
    this.#connected ??= this.#connect(this.#settings)
    return this.#connected
  }
}

async function connectLazily(settings: S3BlobsOptions): Promise<Bucket> {
  const { Bucket, openClient } = await import('./bucket.ts')
  return new Bucket(openClient(settings, settings.credentials), settings.bucket)
}

/** The hash of the bytes so far. More bytes can be added to it afterwards. */
function hexOf(hash: Hash | ResumableHash): string {
  const finished: Hasher = hash instanceof ResumableHash ? hash : hash.copy()
  return finished.digest('hex')
}
