import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { partition } from '@aws-sdk/core/client'
import { SignatureV4 } from '@smithy/signature-v4'
import { type Credentials, Sha256 } from '../store/shared/aws-signing.ts'

/** SSM allows 40 GetParameter requests per second, and many instances may start at once. */
const ATTEMPTS = 4
/** Timeout of one attempt. All attempts fit into the 10 seconds of Lambda's init phase. */
const TIMEOUT_MS = 2_000
/** Half the longest pause after the first attempt. It doubles with every attempt. */
const BASE_PAUSE_MS = 100

interface ParameterAddress {
  /** Name of the parameter. */
  readonly name: string
  readonly region: string
  /** Endpoint of an emulated SSM, for tests. */
  readonly endpoint?: string | undefined
}

/**
 * Reads and decrypts an SSM parameter. It does not use the SDK's client, which would be a fifth of the code that a cold
 * start of the API loads (bench/README.md).
 * @throws {Error} after four attempts, with the status and error type of SSM's response; never with the value
 */
export async function readSsmParameter(
  address: ParameterAddress,
  credentials: () => Promise<Credentials>,
): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await getParameter(address, await credentials())
    } catch (error) {
      if (attempt === ATTEMPTS) throw error
      await sleep(Math.random() * BASE_PAUSE_MS * 2 ** attempt)
    }
  }
}

async function getParameter(
  { name, region, endpoint }: ParameterAddress,
  credentials: Credentials,
): Promise<string> {
  const url = new URL(endpoint ?? ssmUrl(region))
  const body = JSON.stringify({ Name: name, WithDecryption: true })
  const headers = await sign(url, body, region, credentials)
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  const outgoing = (url.protocol === 'http:' ? httpRequest : httpsRequest)(url, {
    method: 'POST',
    headers,
    signal,
  })
  outgoing.end(body)
  const [response] = await once(outgoing, 'response', { signal })
  const document = JSON.parse(await text(response))
  const value: unknown = document.Parameter?.Value
  if (response.statusCode === 200 && typeof value === 'string') return value
  throw new Error(
    `SSM did not return the parameter ${name}: ${response.statusCode} ${document.__type ?? ''}`.trim(),
  )
}

/** URL of SSM in a region, in the DNS domain of the region's partition. */
export function ssmUrl(region: string): string {
  return `https://ssm.${region}.${partition(region).dnsSuffix}`
}

/** The headers of a GetParameter request, with its signature. */
async function sign(
  { protocol, hostname, host }: URL,
  body: string,
  region: string,
  credentials: Credentials,
): Promise<Record<string, string>> {
  const signer = new SignatureV4({ service: 'ssm', region, credentials, sha256: Sha256 })
  const headers = {
    host,
    'content-type': 'application/x-amz-json-1.1',
    'x-amz-target': 'AmazonSSM.GetParameter',
  }
  const request = { method: 'POST', protocol, hostname, path: '/', headers, body }
  return (await signer.sign(request)).headers
}
