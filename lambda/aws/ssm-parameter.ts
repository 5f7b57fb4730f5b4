import { setTimeout as sleep } from 'node:timers/promises'
import type { Credentials } from '../store/shared/aws-signing.ts'
import { sendSigned } from './signed-request.ts'

/** SSM allows 40 GetParameter requests per second, and many instances may start at once. */
const ATTEMPTS = 4
/** Timeout of one attempt. All attempts fit into the 10 seconds of Lambda's init phase. */
const TIMEOUT_MS = 2_000
/** Half the longest pause after the first attempt. It doubles with every attempt. */
const BASE_PAUSE_MS = 100
const HEADERS = {
  'content-type': 'application/x-amz-json-1.1',
  'x-amz-target': 'AmazonSSM.GetParameter',
}

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
  const body = JSON.stringify({ Name: name, WithDecryption: true })
  const request = { service: 'ssm', region, endpoint, headers: HEADERS, body, timeoutMs: TIMEOUT_MS }
  const { status, text } = await sendSigned(request, credentials)
  const document = JSON.parse(text)
  const value: unknown = document.Parameter?.Value
  if (status === 200 && typeof value === 'string') return value
  throw new Error(`SSM did not return the parameter ${name}: ${status} ${document.__type ?? ''}`.trim())
}
