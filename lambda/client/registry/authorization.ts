import * as v from 'valibot'
import { ClientError } from '../client-error.ts'
import { type Challenge, parseChallenges } from './challenge.ts'
import { refusal } from './refusal.ts'
import { discard, readAll, type Transport, type TransportResponse } from './transport.ts'

/** What a person or a program logs in with. */
export type Login =
  | { readonly user: string; readonly password: string }
  /** Of OAuth 2, which `docker login` stores for some registries. */
  | { readonly refreshToken: string }

/** Called for every new token, because some passwords live only for minutes. */
export type FindLogin = () => Promise<Login | undefined>

interface AuthorizationOptions {
  /** Of the registry, such as `https://registry.example`. */
  readonly origin: string
  readonly transport: Transport
  readonly findLogin: FindLogin
  /** The current time in milliseconds. */
  readonly clock: () => number
}

interface Token {
  readonly header: string
  /** Milliseconds since 1970. */
  readonly expires: number
}

const TokenDocument = v.object({
  token: v.optional(v.string()),
  access_token: v.optional(v.string()),
  expires_in: v.optional(v.number()),
})

/** Where a token document does not say it (distribution, "Token Authentication Specification"). Seconds. */
const DEFAULT_LIFETIME = 60
/** A token is renewed so long before it expires. Milliseconds. */
const MARGIN = 10_000
const MAX_DOCUMENT = 1024 * 1024

/** The logins of one registry: Basic, or bearer tokens of a token server, which may be on another host. */
export class Authorization {
  readonly #options: AuthorizationOptions
  readonly #tokens = new Map<string, Promise<Token>>()
  #challenge: Challenge | undefined

  constructor(options: AuthorizationOptions) {
    this.#options = options
  }

  /**
   * The `Authorization` header for some scopes; undefined as long as the registry requires none.
   * @param scopes such as `repository:team/app:pull,push`
   * @throws {ClientError} where the token server refuses
   */
  async header(scopes: readonly string[]): Promise<string | undefined> {
    if (!this.#challenge) return undefined
    const key = scopes.join(' ')
    const cached = await this.#tokens.get(key)
    if (cached && cached.expires - MARGIN > this.#options.clock()) return cached.header
    const token = this.#obtain(this.#challenge, scopes)
    this.#tokens.set(key, token)
    try {
      const { header } = await token
      return header || undefined
    } catch (error) {
      this.#tokens.delete(key)
      throw error
    }
  }

  /**
   * Learns from a 401 how to log in, and forgets the token that it refused.
   * @returns whether there is a way to log in
   */
  learn({ headers }: TransportResponse, scopes: readonly string[]): boolean {
    const challenges = parseChallenges(headers['www-authenticate'] ?? '')
    const known = ['bearer', 'basic'].flatMap(scheme => challenges.find(one => one.scheme === scheme) ?? [])
    this.#tokens.delete(scopes.join(' '))
    this.#challenge = known[0] ?? this.#challenge
    return known.length > 0
  }

  async #obtain({ scheme, parameters }: Challenge, scopes: readonly string[]): Promise<Token> {
    const login = await this.#options.findLogin()
    if (scheme === 'bearer') return this.#obtainBearer(parameters, login, scopes)
    if (!login) return { header: '', expires: 0 }
    if (!('user' in login)) throw new ClientError(`${this.#options.origin} requires a password, not a token`)
    return { header: basic(login), expires: this.#options.clock() + 5 * MARGIN }
  }

  async #obtainBearer(
    { realm = '', service }: Challenge['parameters'],
    login: Login | undefined,
    scopes: readonly string[],
  ): Promise<Token> {
    const url = this.#realm(realm)
    const response =
      login && !('user' in login)
        ? await this.#byRefreshToken(url, service, login.refreshToken, scopes)
        : await this.#byPassword(url, service, login, scopes)
    if (response.status !== 200)
      throw await refusal(response, `${url.host} refused ${login ? 'the login' : 'access without a login'}`)
    const text = (await readAll(response, MAX_DOCUMENT)).toString()
    const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), TokenDocument), text)
    const { token, access_token, expires_in = DEFAULT_LIFETIME } = parsed.success ? parsed.output : {}
    const value = token || access_token
    if (!value) throw new ClientError(`${url.host} sent no token`)
    const lifetime = Math.max(expires_in, DEFAULT_LIFETIME) * 1000
    return { header: `Bearer ${value}`, expires: this.#options.clock() + lifetime }
  }

  /** A password must not leave TLS because a registry says so. */
  #realm(realm: string): URL {
    const { origin } = this.#options
    if (!URL.canParse(realm, origin))
      throw new ClientError(`${origin} names no token server: its realm is "${realm}"`)
    const url = new URL(realm, origin)
    if (url.protocol === 'https:' || (url.protocol === 'http:' && origin.startsWith('http:'))) return url
    throw new ClientError(`${origin} names a token server without TLS: ${url.origin}`)
  }

  #byPassword(
    url: URL,
    service: string | undefined,
    login: { readonly user: string; readonly password: string } | undefined,
    scopes: readonly string[],
  ): Promise<TransportResponse> {
    const target = new URL(url)
    if (service) target.searchParams.set('service', service)
    for (const scope of scopes) target.searchParams.append('scope', scope)
    if (login) target.searchParams.set('account', login.user)
    const headers: Record<string, string> = login ? { authorization: basic(login) } : {}
    return this.#options.transport.send({ method: 'GET', url: target, headers })
  }

  async #byRefreshToken(
    url: URL,
    service: string | undefined,
    refreshToken: string,
    scopes: readonly string[],
  ): Promise<TransportResponse> {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: refreshToken,
      client_id: 'longshore',
      scope: scopes.join(' '),
      ...(service && { service }),
    })
    const response = await this.#options.transport.send({
      method: 'POST',
      url,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: Buffer.from(form.toString()),
    })
    if (response.status !== 404 && response.status !== 405) return response
    await discard(response)
    throw new ClientError(`${url.host} accepts no refresh tokens: log in again with a password`)
  }
}

function basic({ user, password }: { readonly user: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}
