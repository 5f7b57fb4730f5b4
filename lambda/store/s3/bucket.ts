import type { Readable } from 'node:stream'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { type ByteRange, ObjectMissing } from '../blobs.ts'
import type { Credentials } from '../shared/aws-signing.ts'
import type { Address } from './address.ts'
import { hasErrorName, mapS3Errors } from './errors.ts'

/**
 * A SHA-256 in S3's format: base64. The checksum of a multipart object is the SHA-256 of its parts' checksums, followed
 * by `-<parts>`.
 */
export type Checksum = string

/** A part of a multipart upload. */
export interface Part {
  readonly number: number
  readonly etag: string
  readonly checksum: Checksum
}

interface ObjectHead {
  /** In bytes. */
  readonly size: number
  readonly checksum: Checksum | undefined
}

/** Four attempts take about a second, or four seconds when S3 throttles. */
const MAX_ATTEMPTS = 4

/** Creates an S3 client with timeouts and retries. */
export function openClient({ region, endpoint }: Address, credentials: () => Promise<Credentials>): S3Client {
  const client = new S3Client({
    region,
    credentials,
    maxAttempts: MAX_ATTEMPTS,
    ...(endpoint !== undefined && { endpoint, forcePathStyle: true }),
    // The adapter sets the checksums that it needs, so the SDK must not compute others.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // With `Expect: 100-continue`, every part would use a connection of its own.
    expectContinueHeader: false,
    requestHandler: { connectionTimeout: 3_000, requestTimeout: 60_000, throwOnRequestTimeout: true },
  })
  client.middlewareStack.add(
    next => args => {
      const { headers } = args.request as { headers: Record<string, string> }
      const checksum = headers['x-amz-checksum-sha256']
      // The signature covers the same hash, in hex. With this header the SDK does not hash the body again.
      if (checksum) headers['x-amz-content-sha256'] = Buffer.from(checksum, 'base64').toString('hex')
      return next(args)
    },
    { step: 'build', name: 'checksumIsPayloadHash' },
  )
  return client
}

/**
 * The S3 requests that the adapter makes. Each method sends one request, which the SDK retries, and maps errors
 * ({@link mapS3Errors}).
 */
export class Bucket {
  readonly #client: S3Client
  readonly #name: string

  constructor(client: S3Client, name: string) {
    this.#client = client
    this.#name = name
  }

  /** Writes an object. @throws PreconditionFailed if `mustBeNew` and the object exists */
  async put(key: string, body: Uint8Array, checksum: Checksum, mustBeNew: boolean): Promise<void> {
    const command = new PutObjectCommand({
      ...this.#at(key),
      Body: body,
      ChecksumSHA256: checksum,
      IfNoneMatch: mustBeNew ? '*' : undefined,
    })
    await mapS3Errors(this.#client.send(command))
  }

  /** Reads an object, or a range of it. @throws {ObjectMissing} */
  async get(key: string, range?: ByteRange): Promise<Readable> {
    const Range = range && `bytes=${range.first}-${range.last}`
    const { Body } = await mapS3Errors(this.#client.send(new GetObjectCommand({ ...this.#at(key), Range })))
    return Body as Readable
  }

  /** Reads a small object into memory. @throws {ObjectMissing} */
  async getAll(key: string): Promise<Buffer> {
    const body = await this.get(key)
    return Buffer.concat(await mapS3Errors(body.toArray()))
  }

  /** Returns the size and the checksum of an object; `undefined` if there is none. */
  async head(key: string): Promise<ObjectHead | undefined> {
    const command = new HeadObjectCommand({ ...this.#at(key), ChecksumMode: 'ENABLED' })
    try {
      const { ContentLength = 0, ChecksumSHA256 } = await mapS3Errors(this.#client.send(command))
      return { size: ContentLength, checksum: ChecksumSHA256 }
    } catch (error) {
      if (hasErrorName(error, 'NotFound')) return undefined
      throw error
    }
  }

  /** Deletes an object, if it exists. */
  async delete(key: string): Promise<void> {
    await mapS3Errors(this.#client.send(new DeleteObjectCommand(this.#at(key))))
  }

  /** Begins a multipart upload and returns its id. */
  async begin(key: string): Promise<string> {
    const command = new CreateMultipartUploadCommand({ ...this.#at(key), ChecksumAlgorithm: 'SHA256' })
    const { UploadId = '' } = await mapS3Errors(this.#client.send(command))
    return UploadId
  }

  /**
   * Uploads a part.
   * @throws {ObjectMissing} when the multipart upload was completed or aborted, or is being completed
   */
  async uploadPart(
    key: string,
    upload: string,
    part: { readonly number: number; readonly body: Uint8Array; readonly checksum: Checksum },
    abortSignal?: AbortSignal,
  ): Promise<void> {
    const command = new UploadPartCommand({
      ...this.#at(key),
      UploadId: upload,
      PartNumber: part.number,
      Body: part.body,
      ChecksumSHA256: part.checksum,
    })
    await mapS3Errors(this.#client.send(command, { ...(abortSignal && { abortSignal }) }))
  }

  /**
   * Returns up to 1,000 parts with numbers above `after`, and whether there are more.
   * @throws {ObjectMissing} as {@link uploadPart}
   */
  async listParts(key: string, upload: string, after: number): Promise<{ parts: Part[]; more: boolean }> {
    const command = new ListPartsCommand({
      ...this.#at(key),
      UploadId: upload,
      PartNumberMarker: after > 0 ? String(after) : undefined,
    })
    const { Parts = [], IsTruncated = false } = await mapS3Errors(this.#client.send(command))
    const parts = Parts.map(({ PartNumber = 0, ETag = '', ChecksumSHA256 = '' }) => ({
      number: PartNumber,
      etag: ETag,
      checksum: ChecksumSHA256,
    }))
    return { parts, more: IsTruncated }
  }

  /**
   * Completes a multipart upload: creates the object from exactly these parts.
   * @throws PreconditionFailed when the object exists
   * @throws {ObjectMissing} as {@link uploadPart}
   */
  async complete(key: string, upload: string, parts: readonly Part[]): Promise<void> {
    const Parts = parts.map(({ number, etag, checksum }) => ({
      PartNumber: number,
      ETag: etag,
      ChecksumSHA256: checksum,
    }))
    const command = new CompleteMultipartUploadCommand({
      ...this.#at(key),
      UploadId: upload,
      MultipartUpload: { Parts },
      IfNoneMatch: '*',
    })
    await mapS3Errors(this.#client.send(command))
  }

  /** Aborts a multipart upload, if it exists. */
  async abort(key: string, upload: string): Promise<void> {
    const command = new AbortMultipartUploadCommand({ ...this.#at(key), UploadId: upload })
    try {
      await mapS3Errors(this.#client.send(command))
    } catch (error) {
      if (!(error instanceof ObjectMissing)) throw error
    }
  }

  /** Returns the ids of the multipart uploads of a key that are neither completed nor aborted. */
  async listUploads(key: string): Promise<string[]> {
    const command = new ListMultipartUploadsCommand({ Bucket: this.#name, Prefix: key })
    const { Uploads = [] } = await mapS3Errors(this.#client.send(command))
    return Uploads.flatMap(({ Key, UploadId }) => (Key === key && UploadId ? [UploadId] : []))
  }

  #at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#name, Key: key }
  }
}
