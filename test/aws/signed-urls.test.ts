import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CloudFrontSigner } from '../../lambda/aws/signed-urls.ts'
import { type Digest, parseDigest } from '../../lambda/protocol/digest.ts'
import { parseRepositoryName } from '../../lambda/protocol/name.ts'
import { parseUploadId } from '../../lambda/protocol/reference.ts'
import { anyDigest, anyText, repositoryName, uploadId } from '../support/arbitraries.ts'

const KEY = 'abcdefghijklmnopqrstuvwxyz0123456789-_ABCDE'
const ID = '6f2b0c4e-93a1-4d57-8e0f-2b7c5d9a1e34'
const DIGEST = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
const EXPIRES = 1795224000

const signer = new CloudFrontSigner(KEY)
const session = (id: string, name: string) => ({
  upload: parseUploadId(id),
  name: parseRepositoryName(name),
})
const directQuery = (id: string, name: string, expires: number) =>
  signer.directQuery(session(id, name), expires)

describe('CloudFrontSigner', () => {
  // The signatures were made with: printf '…' | openssl dgst -sha256 -hmac "$KEY" -binary | basenc --base64url
  it('signs a stream of an upload with another kind', () => {
    expect(signer.streamQuery(session(ID, 'team/app'), EXPIRES)).toBe(
      'stream=1795224000.GSE7wmR-FWt0phf5rTfkATRrH6fVagPOcmscDIIr5sY',
    )
  })

  it('signs the mark of a token that allows a push with its expiry', () => {
    expect(signer.pushTokenMark(EXPIRES)).toBe('1795224000.6udQYdoUz6qVYc3P_14gR1LNmhJP9q4nFpo17S-hmWA')
  })

  it('signs a direct upload with its id, its repository and its expiry', () => {
    expect(directQuery(ID, 'team/app', EXPIRES)).toBe(
      'direct=1795224000.IdDf_WcIlVUaxvtZh7aN9uBWN2Nzv1T7BoQHO4Ji03A',
    )
  })

  it('signs a pull with its digest, its object key and its expiry', () => {
    expect(signer.pullPath(DIGEST as Digest, `blobs/${ID}`, EXPIRES)).toBe(
      `/pull/1795224000.zE5sW_6-dotRsOhoyN8xzHE-ceaeJTboe0yB1tZmqHQ/${DIGEST}/blobs/${ID}`,
    )
  })

  it('uses only characters that clients do not encode, except the colon of the digest', () => {
    const time = fc.integer({ min: 1, max: 10 ** 12 - 1 })
    fc.assert(
      fc.property(uploadId, repositoryName, anyDigest, time, (id, name, digest, expires) => {
        expect(directQuery(id, name, expires)).toMatch(/^direct=[\w.-]+$/)
        expect(signer.pullPath(digest, `direct/${id}/${name}`, expires)).toMatch(/^[\w./-]+:[\w./-]+$/)
      }),
    )
  })

  it('creates another signature with another key', () => {
    const other = new CloudFrontSigner(KEY.replace('a', 'b'))

    expect(other.pullPath(parseDigest(DIGEST), 'blobs/x', EXPIRES)).not.toBe(
      signer.pullPath(parseDigest(DIGEST), 'blobs/x', EXPIRES),
    )
  })

  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])('rejects the expiry %s', expires => {
    expect(() => directQuery(ID, 'a', expires)).toThrow(TypeError)
  })
})

describe('the key of a CloudFrontSigner', () => {
  it.each(['', 'short', `${KEY}a`, `${KEY.slice(1)}=`, `${KEY.slice(1)},`, `${KEY}\n`])(
    'cannot be %j',
    key => {
      expect(() => new CloudFrontSigner(key)).toThrow(TypeError)
    },
  )

  it('is not in the message of the error that rejects it', () => {
    fc.assert(
      fc.property(anyText, text => {
        const invalid = `secret${text}=`
        expect(() => new CloudFrontSigner(invalid)).toThrow(expect.not.stringContaining('secret'))
      }),
    )
  })
})
