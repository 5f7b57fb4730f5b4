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

const MOST_HASHES = 1000
const MEMORY = 64 * 2 ** 20
/** A SHA-256 over all bytes of an object. That of a multipart object is over its parts, and ends in `-<parts>`. */
const WHOLE_CHECKSUM = /^[A-Za-z0-9+/]{43}=$/

export interface S3BlobsOptions extends Address {
  /** The newest there are; asked for with every link. */
  readonly credentials: () => Promise<Credentials>
  /** Bytes that one append may hold. With 64 MiB, the default, an object has 203 GiB at most. */
  readonly memory?: number
  /** Makes the links instead of S3: where clients fetch objects through another host. */
  readonly through?: (key: string, request: PresignRequest) => string
}

/**
 * Bytes in a bucket, for any number of processes:
 *
 *     blobs/<object>           an object, or the multipart upload that will be one. It never moves
 *     direct/<id>/<repository> an object that a client wrote
 *     tails/<object>/<0 or 1>  what of a draft does not fill a part yet; of two appends in a row each has its own
 *
 * S3 verifies the SHA-256 of whatever it is sent and tells it again before the end. So bytes that another process wrote
 * in place of a draft's are noticed: the draft is busy for good, and never becomes an object.
 */
export class S3Blobs implements BlobStore {
  readonly #settings: S3BlobsOptions
  readonly #connect: (settings: S3BlobsOptions) => Promise<Bucket>
  readonly #hashes = new HashCache(MOST_HASHES)
  readonly #writers = new WriteLock()
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

  append(draft: Draft, bytes: Bytes, whole?: Digest): Promise<Draft> {
    return this.#alone(draft.object, async bucket => {
      const key = blobKey(draft.object)
      const notes = draftState(draft)
      const hash = await this.#resumeHash(draft)
      const print = await ResumableHash.resume('sha256', notes.print)
      let { upload } = notes
      const before = { size: draft.size, rest: await loadTail(bucket, draft) }
      const sender = new PartSender(this.#settings.memory ?? MEMORY)
      const { size, rest } = await cutParts(before, bytes, hash, sender, async (number, body) => {
        upload ??= await bucket.begin(key)
        const id = upload
        const checksum = checksumOf(body)
        print.update(Buffer.from(checksum, 'base64'))
        return signal => bucket.uploadPart(key, id, { number, body, checksum }, signal)
      })

      const longer = { ...draft, size }
      const multipart = upload === undefined ? {} : { upload, print: print.save() }
      const hex = hash && hexOf(hash)
      if (hex !== undefined && whole === digestOf(draft.algorithm, hex))
        return uploadLastPart(bucket, longer, rest, { ...notes, ...multipart, hash: { hex } })
      if (size === draft.size) return draft
      const known = await this.#noteHash(longer, hash, upload === undefined ? rest : undefined)
      return saveTail(bucket, longer, rest, { ...notes, ...multipart, hash: known })
    })
  }

  /**
   * Known at once in the draft's own algorithm, unless the processes that hashed its bytes are gone. Else they must be
   * read again, and for that become an object, because S3 gives nothing of a multipart upload back.
   */
  async digest(draft: Draft, algorithm: Algorithm, sealing?: () => Promise<void>): Promise<Digest> {
    const { object, size } = draft
    if (size === 0) return digestOf(algorithm, createHash(algorithm).digest('hex'))
    if (algorithm === draft.algorithm) {
      const hash = await this.#resumeHash(draft)
      const hex = draftState(draft).hash.hex ?? (hash && hexOf(hash))
      if (hex !== undefined) return digestOf(algorithm, hex)
    }
    await sealing?.()
    await this.commit(draft)
    const hash = createHash(algorithm)
    for await (const piece of await this.read(object)) hash.update(piece)
    return digestOf(algorithm, hash.digest('hex'))
  }

  commit(draft: Draft): Promise<void> {
    return this.#alone(draft.object, bucket => commitDraft(bucket, draft))
  }

  /** Whatever there is, also what `draft` knows nothing of because it was written after it. */
  async discard({ object }: Draft): Promise<void> {
    this.#writers.discard(object)
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

  /** Needs no request. Works no longer than the credentials do. @throws {StoreBusy} when there are none to be had */
  async presign(object: ObjectName, request: PresignRequest): Promise<string> {
    const { method, mediaType, seconds } = request
    if (this.#settings.through) return this.#settings.through(objectKey(object), request)
    const credentials = await mapS3Errors(this.#settings.credentials())
    const now = new Date()
    const life = credentials.expiration ? (credentials.expiration.getTime() - now.getTime()) / 1000 : seconds
    const expiresIn = Math.max(1, Math.floor(Math.min(seconds, life)))
    return mapS3Errors(
      this.#signer.sign({ method, key: objectKey(object), mediaType, now, seconds: expiresIn }),
    )
  }

  /** S3 tells the SHA-256 of what came in one request with that checksum, and has verified it. */
  async findUploaded(object: ObjectName): Promise<UploadedObject | undefined> {
    const found = await (await this.#bucket()).head(objectKey(object))
    if (!found) return undefined
    const { size, checksum = '' } = found
    const hex = WHOLE_CHECKSUM.test(checksum) ? Buffer.from(checksum, 'base64').toString('hex') : undefined
    return { size, ...(hex && { digest: digestOf('sha256', hex) }) }
  }

  #alone<T>(object: ObjectName, work: (bucket: Bucket) => Promise<T>): Promise<T> {
    return this.#writers.alone(
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

  /** `undefined` when nobody knows any more how the hashing stood. */
  async #resumeHash(draft: Draft): Promise<Hash | ResumableHash | undefined> {
    const { algorithm, size } = draft
    if (size === 0) return createHash(algorithm)
    const { state } = draftState(draft).hash
    return state === undefined ? this.#hashes.find(draft, algorithm) : ResumableHash.resume(algorithm, state)
  }

  /**
   * How the hashing stands. node:crypto's is four times as fast but cannot be put into a note: what is still at hand is
   * hashed again in the other way, and of the rest only the outcome is noted.
   * @param all the draft's bytes, where it is so short that they are at hand
   */
  async #noteHash(draft: Draft, hash: Hash | ResumableHash | undefined, all?: Uint8Array) {
    if (hash instanceof ResumableHash) return { state: hash.save() }
    if (all) return { state: (await ResumableHash.resume(draft.algorithm)).update(all).save() }
    if (!hash) return {}
    this.#hashes.keep(draft, hash)
    return { hex: hexOf(hash) }
  }

  /** Made when it is first needed: what only gives out links never loads the SDK. */
  #bucket(): Promise<Bucket> {
    this.#connected ??= this.#connect(this.#settings)
    return this.#connected
  }
}

async function connectLazily(settings: S3BlobsOptions): Promise<Bucket> {
  const { Bucket, openClient } = await import('./bucket.ts')
  return new Bucket(openClient(settings, settings.credentials), settings.bucket)
}

/** Of the bytes so far. The hash can be gone on with. */
function hexOf(hash: Hash | ResumableHash): string {
  const done: Hasher = hash instanceof ResumableHash ? hash : hash.copy()
  return done.digest('hex')
}
