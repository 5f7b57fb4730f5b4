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

/** A SHA-256 as S3 writes it: base64. Of a multipart object it is that of the parts' checksums, and `-<parts>` follows. */
export type Checksum = string

export interface Part {
  readonly number: number
  readonly etag: string
  readonly checksum: Checksum
}

interface Found {
  readonly size: number
  readonly checksum: Checksum | undefined
}

/** Four attempts take about a second, and four seconds where S3 asks to be spared. */
const ATTEMPTS = 4

export function openClient({ region, endpoint }: Address, credentials: () => Promise<Credentials>): S3Client {
  const client = new S3Client({
    region,
    credentials,
    maxAttempts: ATTEMPTS,
    ...(endpoint !== undefined && { endpoint, forcePathStyle: true }),
    // We give the checksums ourselves, and only where they are of use to us.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // Waiting for it takes a connection of its own for every part.
    expectContinueHeader: false,
    requestHandler: { connectionTimeout: 3_000, requestTimeout: 60_000, throwOnRequestTimeout: true },
  })
  client.middlewareStack.add(
    next => args => {
      const { headers } = args.request as { headers: Record<string, string> }
      const checksum = headers['x-amz-checksum-sha256']
      // The signature covers the same hash, in hex. Said here, the SDK need not go over the bytes once more.
      if (checksum) headers['x-amz-content-sha256'] = Buffer.from(checksum, 'base64').toString('hex')
      return next(args)
    },
    { step: 'build', name: 'checksumIsPayloadHash' },
  )
  return client
}

/** A bucket in the words that the store needs. Each method is one request, which S3 answers or the SDK repeats. */
export class Bucket {
  readonly #client: S3Client
  readonly #name: string

  constructor(client: S3Client, name: string) {
    this.#client = client
    this.#name = name
  }

  /** @throws PreconditionFailed where `onlyNew` and there is an object already */
  async put(key: string, body: Uint8Array, checksum: Checksum, onlyNew: boolean): Promise<void> {
    const command = new PutObjectCommand({
      ...this.#at(key),
      Body: body,
      ChecksumSHA256: checksum,
      IfNoneMatch: onlyNew ? '*' : undefined,
    })
    await mapS3Errors(this.#client.send(command))
  }

  /** @throws {ObjectMissing} */
  async get(key: string, range?: ByteRange): Promise<Readable> {
    const Range = range && `bytes=${range.first}-${range.last}`
    const { Body } = await mapS3Errors(this.#client.send(new GetObjectCommand({ ...this.#at(key), Range })))
    return Body as Readable
  }

  /** All bytes of a small object. @throws {ObjectMissing} */
  async getAll(key: string): Promise<Buffer> {
    const body = await this.get(key)
    return Buffer.concat(await mapS3Errors(body.toArray()))
  }

  async head(key: string): Promise<Found | undefined> {
    const command = new HeadObjectCommand({ ...this.#at(key), ChecksumMode: 'ENABLED' })
    try {
      const { ContentLength = 0, ChecksumSHA256 } = await mapS3Errors(this.#client.send(command))
      return { size: ContentLength, checksum: ChecksumSHA256 }
    } catch (error) {
      if (hasErrorName(error, 'NotFound')) return undefined
      throw error
    }
  }

  /** Also where there is none. */
  async delete(key: string): Promise<void> {
    await mapS3Errors(this.#client.send(new DeleteObjectCommand(this.#at(key))))
  }

  /** Begins a multipart upload and gives its id. */
  async begin(key: string): Promise<string> {
    const command = new CreateMultipartUploadCommand({ ...this.#at(key), ChecksumAlgorithm: 'SHA256' })
    const { UploadId = '' } = await mapS3Errors(this.#client.send(command))
    return UploadId
  }

  /** @throws {ObjectMissing} where the upload was completed or aborted, or is being completed */
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

  /** A thousand parts with numbers above `after`; fewer are the last. @throws {ObjectMissing} as {@link uploadPart} */
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
   * Makes an object of exactly these parts.
   * @throws PreconditionFailed where there is one already; {@link ObjectMissing} as {@link uploadPart}
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

  /** Also where there is none. */
  async abort(key: string, upload: string): Promise<void> {
    const command = new AbortMultipartUploadCommand({ ...this.#at(key), UploadId: upload })
    try {
      await mapS3Errors(this.#client.send(command))
    } catch (error) {
      if (!(error instanceof ObjectMissing)) throw error
    }
  }

  /** The multipart uploads of a key that are neither completed nor aborted. */
  async listUploads(key: string): Promise<string[]> {
    const command = new ListMultipartUploadsCommand({ Bucket: this.#name, Prefix: key })
    const { Uploads = [] } = await mapS3Errors(this.#client.send(command))
    return Uploads.flatMap(({ Key, UploadId }) => (Key === key && UploadId ? [UploadId] : []))
  }

  #at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#name, Key: key }
  }
}
