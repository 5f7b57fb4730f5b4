import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose'

interface Key {
  readonly kid: string
  readonly alg: string
  readonly privateKey: CryptoKey
  readonly jwk: JWK
}

interface Minted {
  readonly claims?: JWTPayload
  readonly audience?: string | string[]
  /** Milliseconds since 1970. */
  readonly now?: number
  /** Seconds from now. */
  readonly expires?: number
  readonly key?: Key
  readonly issuer?: string
}

/** Stands in for whoever gives ID tokens to workloads: it has keys, tells them as OpenID Connect Discovery says, and signs with them. */
export class Issuer implements AsyncDisposable {
  readonly url: string
  /** Paths that were asked for. */
  readonly asked: string[] = []
  /** What Discovery says besides, or instead. */
  discovery: object = {}
  status = 200
  key: Key
  readonly #server: Server

  private constructor(server: Server, key: Key) {
    this.#server = server
    this.key = key
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  static async start(alg = 'RS256'): Promise<Issuer> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const issuer = new Issuer(server, await makeKey(alg))
    server.on('request', ({ url = '' }, response) => {
      issuer.asked.push(url)
      const about = { issuer: issuer.url, jwks_uri: `${issuer.url}/keys`, ...issuer.discovery }
      const body = url === '/keys' ? { keys: [issuer.key.jwk] } : about
      response.writeHead(issuer.status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    })
    return issuer
  }

  /** Signs with another key from now on, and tells that one alone. */
  async rotate(): Promise<void> {
    this.key = await makeKey(this.key.alg)
  }

  /** An ID token, in the ways of GitHub Actions. */
  mint({
    claims = {},
    audience = 'registry.example',
    now = Date.now(),
    expires = 300,
    key = this.key,
    issuer = this.url,
  }: Minted = {}): Promise<string> {
    const seconds = Math.floor(now / 1000)
    return new SignJWT({ sub: 'repo:acme/app:ref:refs/heads/main', repository: 'acme/app', ...claims })
      .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: 'JWT' })
      .setIssuer(issuer)
      .setAudience(audience)
      .setIssuedAt(seconds)
      .setNotBefore(seconds)
      .setExpirationTime(seconds + expires)
      .sign(key.privateKey)
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

let made = 0

export async function makeKey(alg = 'RS256'): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  const kid = `key-${++made}`
  return { kid, alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } }
}
