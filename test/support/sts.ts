import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SignatureV4 } from '@smithy/signature-v4'
import { type Credentials, Sha256 } from '../../lambda/store/shared/aws-signing.ts'

/** Whose key it is: what GetCallerIdentity answers. */
interface Owner {
  readonly credentials: Credentials
  readonly arn: string
}

/**
 * Stands in for STS: it answers GetCallerIdentity for those whose signature it can make again, with the AWS SDK's own signer, over all
 * that was really sent. It stands for every STS there is: `x-forwarded-host` says for which.
 */
export class Sts implements AsyncDisposable {
  readonly endpoint: string
  /** Everything that was asked, as it came. */
  readonly asked: { readonly url: string; readonly headers: IncomingMessage['headers'] }[] = []
  /** What it answers instead, for faults. */
  fault: { readonly status: number; readonly body: string } | undefined
  readonly #server: Server
  readonly #owners = new Map<string, Owner>()

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
      const { status, body } = await sts.#answer(request)
      response.writeHead(status, { 'content-type': 'application/json' }).end(body)
    })
    return sts
  }

  know(owner: Owner): void {
    this.#owners.set(owner.credentials.accessKeyId, owner)
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #answer({ method, url = '', headers }: IncomingMessage): Promise<{ status: number; body: string }> {
    this.asked.push({ url, headers })
    if (this.fault) return this.fault
    const host = String(headers['x-forwarded-host'])
    const query = Object.fromEntries(new URL(url, `https://${host}`).searchParams)
    const [key = '', , region = ''] = (query['X-Amz-Credential'] ?? '').split('/')
    const owner = this.#owners.get(key)
    if (!owner) return refusal('InvalidClientTokenId')
    if ((query['X-Amz-Security-Token'] ?? '') !== (owner.credentials.sessionToken ?? ''))
      return refusal('InvalidClientTokenId')

    const {
      'X-Amz-Date': date = '',
      'X-Amz-Expires': seconds = '',
      'X-Amz-SignedHeaders': names = '',
    } = query
    const signed = Object.fromEntries(
      names.split(';').map(name => [name, name === 'host' ? host : String(headers[name] ?? '')]),
    )
    const again = await new SignatureV4({
      credentials: owner.credentials,
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
    if (again.query?.['X-Amz-Signature'] !== query['X-Amz-Signature']) return refusal('SignatureDoesNotMatch')
    if (Date.now() > timeFrom(date).getTime() + Number(seconds) * 1000) return refusal('ExpiredToken')
    const [, , , , account = ''] = owner.arn.split(':')
    const GetCallerIdentityResult = { Account: account, Arn: owner.arn, UserId: 'AROAEXAMPLE:session' }
    return { status: 200, body: JSON.stringify({ GetCallerIdentityResponse: { GetCallerIdentityResult } }) }
  }
}

function refusal(Code: string): { status: number; body: string } {
  return { status: 403, body: JSON.stringify({ Error: { Code, Type: 'Sender' } }) }
}

function timeFrom(text: string): Date {
  return new Date(text.replace(/^(....)(..)(..T..)(..)(...)$/, '$1-$2-$3:$4:$5'))
}
