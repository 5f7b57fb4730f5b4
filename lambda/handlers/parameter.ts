import { once } from 'node:events'
import { request as askPlainly } from 'node:http'
import { request as askOverTls } from 'node:https'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Credentials,
  credentialOf,
  type Scope,
  sha256,
  signatureOf,
  timeOf,
} from '../store/aws-signature.ts'

/** SSM answers forty such questions a second, and a crowd of instances may start at once. */
const ATTEMPTS = 4
/** All attempts together stay within the ten seconds in which a function must be ready. Milliseconds. */
const TIMEOUT = 2_000
const FIRST_WAIT = 100

interface ParameterAddress {
  /** Of a SecureString or another parameter. */
  readonly name: string
  readonly region: string
  /** Of another server than Amazon's. */
  readonly endpoint?: string | undefined
}

/**
 * Asks SSM for the value of a parameter, deciphered. By hand: the SDK's client would be a fifth of what a cold start of
 * the API has to read, for this one question (bench/README.md).
 * @throws {Error} that says what SSM answered, which is never the value
 */
export async function readParameter(
  address: ParameterAddress,
  credentials: () => Promise<Credentials>,
): Promise<string> {
  for (let made = 1; ; made++) {
    try {
      return await ask(address, await credentials())
    } catch (error) {
      if (made === ATTEMPTS) throw error
      await sleep(Math.random() * FIRST_WAIT * 2 ** made)
    }
  }
}

async function ask({ name, region, endpoint }: ParameterAddress, credentials: Credentials): Promise<string> {
  const url = new URL(endpoint ?? `https://ssm.${region}.${domainOf(region)}`)
  const body = JSON.stringify({ Name: name, WithDecryption: true })
  const headers = sign(url, body, { credentials, region, service: 'ssm', now: new Date() })
  const signal = AbortSignal.timeout(TIMEOUT)
  const outgoing = (url.protocol === 'http:' ? askPlainly : askOverTls)(url, {
    method: 'POST',
    headers,
    signal,
  })
  outgoing.end(body)
  const [answer] = await once(outgoing, 'response', { signal })
  const document = JSON.parse(await text(answer))
  const value: unknown = document.Parameter?.Value
  if (answer.statusCode === 200 && typeof value === 'string') return value
  throw new Error(`SSM does not tell ${name}: ${answer.statusCode} ${document.__type ?? ''}`.trim())
}

/** The headers of the one kind of request that there is here, signed. */
export function sign({ host }: URL, body: string, scope: Scope): Record<string, string> {
  const { sessionToken } = scope.credentials
  const headers = {
    'content-type': 'application/x-amz-json-1.1',
    host,
    'x-amz-date': timeOf(scope.now),
    ...(sessionToken && { 'x-amz-security-token': sessionToken }),
    'x-amz-target': 'AmazonSSM.GetParameter',
  }
  const names = Object.keys(headers).join(';')
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`)
  const signature = signatureOf(`POST\n/\n\n${lines.join('')}\n${names}\n${sha256(body)}`, scope)
  const authorization = `AWS4-HMAC-SHA256 Credential=${credentialOf(scope)}, SignedHeaders=${names}, Signature=${signature}`
  return { ...headers, 'content-length': String(Buffer.byteLength(body)), authorization }
}

function domainOf(region: string): string {
  return region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'
}
