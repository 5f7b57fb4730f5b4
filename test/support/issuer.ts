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

interface TokenOptions {
  readonly claims?: JWTPayload
  readonly audience?: string | string[]
  /** Milliseconds since 1970. */
  readonly now?: number
  /** Seconds from now. */
  readonly expires?: number
  readonly key?: Key
  readonly issuer?: string
}

/**
 * An issuer of ID tokens for tests: a server with OpenID Connect Discovery and a key set, and the private key of the
 * newest key.
 */
export class Issuer implements AsyncDisposable {
  readonly url: string
  /** Paths of the requests that the server received. */
  readonly requests: string[] = []
  /** Fields that the Discovery document contains in addition, or with other values. */
  discovery: object = {}
  /** Status of all responses. */
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
      issuer.requests.push(url)
      const document = { issuer: issuer.url, jwks_uri: `${issuer.url}/keys`, ...issuer.discovery }
      const body = url === '/keys' ? { keys: [issuer.key.jwk] } : document
      response.writeHead(issuer.status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    })
    return issuer
  }

  /** Replaces the key. The key set then contains only the new one. */
  async rotate(): Promise<void> {
    this.key = await makeKey(this.key.alg)
  }

  /** Signs an ID token with claims such as those of GitHub Actions. */
  mint({
    claims = {},
    audience = 'registry.example',
    now = Date.now(),
    expires = 300,
    key = this.key,
    issuer = this.url,
  }: TokenOptions = {}): Promise<string> {
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

let keysMade = 0

/** Generates a key pair with a new key id. */
export async function makeKey(alg = 'RS256'): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  const kid = `key-${++keysMade}`
  return { kid, alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } }
}
