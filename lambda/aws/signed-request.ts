import { once } from 'node:events'
import { request as requestOverHttp } from 'node:http'
import { request as requestOverHttps } from 'node:https'
import { text } from 'node:stream/consumers'
import { partition } from '@aws-sdk/core/client'
import { SignatureV4 } from '@smithy/signature-v4'
import { type Credentials, Sha256 } from '../store/shared/aws-signing.ts'

/** A POST to a service of AWS whose SDK client would add too much code to the API's cold start. */
interface ServiceRequest {
  /** Name of the service in host names and signatures, such as `ssm`. */
  readonly service: string
  readonly region: string
  /** Endpoint of an emulated service, for tests. */
  readonly endpoint?: string | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Limit of the request and its response. */
  readonly timeoutMs: number
}

interface ServiceResponse {
  readonly status: number
  readonly text: string
}

/**
 * Sends one request with Signature Version 4. It does not retry.
 * @throws {Error} when the connection fails or the timeout passes
 */
export async function sendSigned(
  { service, region, endpoint, headers, body, timeoutMs }: ServiceRequest,
  credentials: Credentials,
): Promise<ServiceResponse> {
  const url = new URL(endpoint ?? serviceUrl(service, region))
  const { protocol, hostname, host } = url
  const signer = new SignatureV4({ service, region, credentials, sha256: Sha256 })
  const request = { method: 'POST', protocol, hostname, path: '/', headers: { host, ...headers }, body }
  const signed = await signer.sign(request)
  const signal = AbortSignal.timeout(timeoutMs)
  const outgoing = (protocol === 'http:' ? requestOverHttp : requestOverHttps)(url, {
    method: 'POST',
    headers: signed.headers,
    signal,
  })
  outgoing.end(body)
  const [response] = await once(outgoing, 'response', { signal })
  return { status: response.statusCode ?? 0, text: await text(response) }
}

/** URL of a regional service, in the DNS domain of the region's partition. */
export function serviceUrl(service: string, region: string): string {
  return `https://${service}.${region}.${partition(region).dnsSuffix}`
}
