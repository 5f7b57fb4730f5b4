import { expect } from 'vitest'
import { edgeFunctionCode } from '../../../infra/edge-function.ts'
import { CloudFrontSigner } from '../../../lambda/aws/signed-urls.ts'
import { parseDigest } from '../../../lambda/protocol/digest.ts'
import { type ErrorCode, RegistryError } from '../../../lambda/protocol/errors.ts'
import type { RepositoryName } from '../../../lambda/protocol/name.ts'
import type { UploadId } from '../../../lambda/protocol/reference.ts'
import { bodyOf, type EdgeResponse, type HeaderList, toEdgeRequest } from '../../support/edge-event.ts'
import { type Decision, type EdgeEnvironment, EdgeFunction } from '../../support/edge-function.ts'

export const MiB = 2 ** 20
/** Seconds since 1970, at which the edge's clock stands. */
export const NOW = 1_900_000_000
export const SOON = NOW + 900
export const KEY = 'abcdefghijklmnopqrstuvwxyz0123456789-_ABCDE'
export const OTHER_KEY = KEY.toUpperCase()
export const ID = '6f2b0c4e-93a1-4d57-8e0f-2b7c5d9a1e34'
export const HEX = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
export const DIGEST = parseDigest(`sha256:${HEX}`)
export const SHA512 = parseDigest(`sha512:${HEX}${HEX}`)
export const CHECKSUM = Buffer.from(HEX, 'hex').toString('base64')

export const viewerRequest = new EdgeFunction(edgeFunctionCode('viewer-request'))
export const viewerResponse = new EdgeFunction(edgeFunctionCode('viewer-response'))

/** A signer for any values, also for those that the registry never signs. */
const links = (key: string) => new CloudFrontSigner(key)

interface Signed {
  readonly id?: string
  readonly name?: string
  readonly expires?: number
  readonly key?: string
}

/** `direct=…` as the API puts it into a Location. */
export function direct({ id = ID, name = 'team/app', expires = SOON, key = KEY }: Signed = {}): string {
  return links(key).directQuery({ upload: id as UploadId, name: name as RepositoryName }, expires)
}

/** `stream=…` as the API puts it into every Location of an upload session. */
export function stream({ id = ID, name = 'team/app', expires = SOON, key = KEY }: Signed = {}): string {
  return links(key).streamQuery({ upload: id as UploadId, name: name as RepositoryName }, expires)
}

/** A bearer token as far as the edge reads it: the header says whether the API signed the token for a push. */
export function bearer({ expires = SOON, key = KEY } = {}): readonly [string, string] {
  return bearerWith({ alg: 'HS256', kid: '0a1b2c3d', typ: 'JWT', edge: links(key).pushTokenMark(expires) })
}

export function bearerWith(header: unknown): readonly [string, string] {
  const encoded = Buffer.from(JSON.stringify(header)).toString('base64url')
  return ['Authorization', `Bearer ${encoded}.eyJhY2Nlc3MiOltdfQ.c2ln`]
}

export function uploadPath(name = 'team/app', id = ID): string {
  return `/v2/${name}/blobs/uploads/${id}`
}

/** The target of a whole upload, as containerd writes it. */
export function uploadTarget(signed: Signed = {}, digest = encodeURIComponent(DIGEST)): string {
  return `${uploadPath(signed.name, signed.id)}?digest=${digest}&${direct(signed)}`
}

/** The target of a PATCH, or of a PUT without a direct upload. */
export function streamTarget(signed: Signed = {}, more = ''): string {
  return `${uploadPath(signed.name, signed.id)}?${stream(signed)}${more}`
}

export function pullTarget(
  object = `blobs/${ID}`,
  { expires = SOON, key = KEY, digest = DIGEST } = {},
): string {
  return links(key).pullPath(digest, object, expires)
}

export const sized = (bytes: number): HeaderList => [['Content-Length', String(bytes)]]

export const CHUNKED: HeaderList = [['Transfer-Encoding', 'chunked']]

export const KEYS = { keys: KEY }
export const WITH_RELAY = { keys: KEY, relay: 'on' }
export const SLEEPING_RELAY = { keys: KEY, relay: 'auto' }

/** The decision of the viewer-request function about a request, at the time {@link NOW}. */
export function decide(
  method: string,
  target: string,
  headers: HeaderList = [],
  environment: EdgeEnvironment = { items: KEYS },
): Promise<Decision> {
  return viewerRequest.viewerRequest(toEdgeRequest(method, target, headers), {
    now: NOW * 1000,
    ...environment,
  })
}

/** The origin's id; `api` for that of the behavior, `edge` when the function answers. */
export function roadOf(decision: Decision): string {
  return 'response' in decision ? 'edge' : (decision.origin ?? 'api')
}

/** The request as it leaves for its origin. */
export function sent(decision: Decision) {
  if ('response' in decision) throw new Error(`answered ${decision.response.statusCode} at the edge`)
  return decision.request
}

/** That the edge answers as lambda/http/app.ts would. */
export function expectRefusal(decision: Decision, code: ErrorCode, method = 'GET', reason?: unknown) {
  if (!('response' in decision)) throw new Error(`sent to ${roadOf(decision)}`)
  const { response } = decision
  const error = new RegistryError(code)
  expect(response.statusCode).toBe(error.status)
  expect(response.headers).toMatchObject({
    'content-type': { value: 'application/json' },
    'docker-distribution-api-version': { value: 'registry/2.0' },
    'x-content-type-options': { value: 'nosniff' },
  })
  if (method === 'HEAD') expect(response.body).toBeUndefined()
  else if (reason === undefined) expect(bodyOf(response)?.toString()).toBe(error.toDocument())
  else expect(documentOf(response)).toEqual({ code, message: reason, detail: { reason } })
}

function documentOf(response: EdgeResponse): unknown {
  return JSON.parse(bodyOf(response)?.toString() ?? '').errors[0]
}
