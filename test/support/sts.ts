import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SignatureV4 } from '@smithy/signature-v4'
import { type Credentials, Sha256 } from '../../lambda/store/shared/aws-signing.ts'

/** A principal whose requests this STS can verify, with the ARN that GetCallerIdentity returns. */
interface Signer {
  readonly credentials: Credentials
  readonly arn: string
}

/**
 * An STS for tests. It implements GetCallerIdentity: it signs the received request again with the AWS SDK and the
 * secret key of the signer, and compares the signatures. It replaces the endpoints of all Regions; the header
 * `x-forwarded-host` names the endpoint.
 */
export class Sts implements AsyncDisposable {
  readonly endpoint: string
  /** The requests that the server received. */
  readonly requests: { readonly url: string; readonly headers: IncomingMessage['headers'] }[] = []
  /** A response that replaces all others, for tests of faults. */
  fault: { readonly status: number; readonly body: string } | undefined
  readonly #server: Server
  readonly #signers = new Map<string, Signer>()

  private constructor(server: Server) {
    this.#server = server
    this.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  static async start(): Promise<Sts> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const sts = new Sts(server)
    server.on('request', async (request: IncomingMessage, response) => {
      const { status, body } = await sts.#respond(request)
      response.writeHead(status, { 'content-type': 'application/json' }).end(body)
    })
    return sts
  }

  addSigner(signer: Signer): void {
    this.#signers.set(signer.credentials.accessKeyId, signer)
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #respond({ method, url = '', headers }: IncomingMessage): Promise<{ status: number; body: string }> {
    this.requests.push({ url, headers })
    if (this.fault) return this.fault
    const host = String(headers['x-forwarded-host'])
    const query = Object.fromEntries(new URL(url, `https://${host}`).searchParams)
    const [key = '', , region = ''] = (query['X-Amz-Credential'] ?? '').split('/')
    const signer = this.#signers.get(key)
    if (!signer) return errorResponse('InvalidClientTokenId')
    if ((query['X-Amz-Security-Token'] ?? '') !== (signer.credentials.sessionToken ?? ''))
      return errorResponse('InvalidClientTokenId')

    const {
      'X-Amz-Date': date = '',
      'X-Amz-Expires': seconds = '',
      'X-Amz-SignedHeaders': names = '',
    } = query
    const signed = Object.fromEntries(
      names.split(';').map(name => [name, name === 'host' ? host : String(headers[name] ?? '')]),
    )
    const expected = await new SignatureV4({
      credentials: signer.credentials,
      region,
      service: 'sts',
      sha256: Sha256,
      applyChecksum: false,
    }).presign(
      {
        ...{ method: method ?? '', protocol: 'https:', hostname: host, path: '/', headers: signed },
        query: Object.fromEntries(Object.entries(query).filter(([name]) => !name.startsWith('X-Amz-'))),
      },
      { signingDate: timeFrom(date), expiresIn: Number(seconds) },
    )
    if (expected.query?.['X-Amz-Signature'] !== query['X-Amz-Signature'])
      return errorResponse('SignatureDoesNotMatch')
    if (Date.now() > timeFrom(date).getTime() + Number(seconds) * 1000) return errorResponse('ExpiredToken')
    const [, , , , account = ''] = signer.arn.split(':')
    const GetCallerIdentityResult = { Account: account, Arn: signer.arn, UserId: 'AROAEXAMPLE:session' }
    return { status: 200, body: JSON.stringify({ GetCallerIdentityResponse: { GetCallerIdentityResult } }) }
  }
}

function errorResponse(Code: string): { status: number; body: string } {
  return { status: 403, body: JSON.stringify({ Error: { Code, Type: 'Sender' } }) }
}

function timeFrom(text: string): Date {
  return new Date(text.replace(/^(....)(..)(..T..)(..)(...)$/, '$1-$2-$3:$4:$5'))
}
