import * as v from 'valibot'
import type { IssuedToken, TokenService } from '../auth/tokens/token-service.ts'
import { readBody } from '../http/body.ts'
import type { HttpRequest, HttpResponse } from '../http/message.ts'
import { RegistryError } from '../protocol/errors.ts'
import { parseScopes } from '../protocol/scope.ts'
import { NO_STORE, throwAuthDisabled } from './account-responses.ts'
import { apiRoute } from './api-route.ts'
import type { Context } from './context.ts'
import { jsonResponse } from './responses.ts'

/** Maximum size of the form, in bytes. */
const MAX_FORM_SIZE = 64 * 1024

/** The token request of Docker's token specification, with Basic authentication or without a login. */
async function getToken(request: HttpRequest, _: object, context: Context): Promise<HttpResponse> {
  const { query } = request
  const scopes = parseScopes(query.getAll('scope'))
  const wantsRefresh = query.get('offline_token') === 'true'
  const token = await service(context).byBasic(request, scopes, wantsRefresh)
  await announcePush(token, request, context)
  return tokenResponse(token)
}

/** The OAuth 2 token request that containerd and other clients send: a form with a password or a refresh token. */
async function postToken(request: HttpRequest, _: object, context: Context): Promise<HttpResponse> {
  const token = await tokenByForm(request, context)
  await announcePush(token, request, context)
  return tokenResponse(token)
}

async function tokenByForm(request: HttpRequest, context: Context): Promise<IssuedToken> {
  const form = new URLSearchParams(Buffer.from(await readBody(request, MAX_FORM_SIZE)).toString())
  const scopes = parseScopes(form.getAll('scope'))
  switch (form.get('grant_type')) {
    case 'password': {
      const login = { name: form.get('username') ?? '', password: form.get('password') ?? '' }
      const wantsRefresh = form.get('access_type') === 'offline'
      return service(context).byPassword(request, login, scopes, wantsRefresh)
    }
    case 'refresh_token':
      return service(context).byRefresh(request, form.get('refresh_token') ?? '', scopes)
    default:
      throw new RegistryError('BAD_REQUEST', {
        detail: { grant_type: 'must be password or refresh_token' },
      })
  }
}

function service({ tokens }: Context): TokenService {
  return tokens ?? throwAuthDisabled()
}

/** Starts the relay while the client prepares its push. The token is issued whether that succeeds or not. */
async function announcePush(
  { scopes }: IssuedToken,
  request: HttpRequest,
  { relay }: Context,
): Promise<void> {
  if (!relay || !scopes.some(({ actions }) => actions.includes('push'))) return
  await relay.announce(request.headers['user-agent']).catch(() => {})
}

/** Some clients read `token`, others `access_token`. */
function tokenResponse({ token, refresh, issued, expiresIn }: IssuedToken): HttpResponse {
  return jsonResponse(
    {
      token,
      access_token: token,
      expires_in: expiresIn,
      issued_at: new Date(issued).toISOString(),
      ...(refresh && { refresh_token: refresh }),
    },
    NO_STORE,
  )
}

const Token = v.strictObject({
  token: v.string(),
  access_token: v.pipe(v.string(), v.description('The same as `token`.')),
  expires_in: v.pipe(v.number(), v.integer(), v.description('Seconds.')),
  issued_at: v.pipe(v.string(), v.isoTimestamp()),
  refresh_token: v.optional(v.string()),
})

/** The form, for documentation only: a schema cannot read it, because `scope` may occur more than once. */
const TokenForm = v.looseObject({
  grant_type: v.picklist(['password', 'refresh_token']),
  username: v.optional(v.string()),
  password: v.optional(v.string()),
  refresh_token: v.optional(v.string()),
  access_type: v.optional(v.pipe(v.string(), v.description('`offline` requests a refresh token too.'))),
  scope: v.optional(v.pipe(v.string(), v.description('Such as `repository:team/app:pull,push`.'))),
})

const TOKEN_RESPONSE = {
  status: 200,
  description: 'A token for those of the requested scopes that the policy allows.',
  schema: Token,
} as const

export const tokenRoutes = [
  apiRoute(
    'GET',
    '/token',
    'none',
    {
      operationId: 'getToken',
      summary: "Get a token with Docker's token specification",
      description: 'Without credentials, the token has the permissions of anonymous callers.',
      query: {
        service: { description: 'Host of the registry.' },
        scope: { description: 'Such as `repository:team/app:pull,push`.', repeated: true },
        offline_token: { description: '`true` requests a refresh token too.' },
        client_id: { description: 'Name of the client. Ignored.' },
        account: { description: 'Name of the user. Ignored: the credentials contain it.' },
      },
      response: TOKEN_RESPONSE,
      errors: [401, 404, 429],
    },
    getToken,
  ),
  apiRoute(
    'POST',
    '/token',
    'none',
    {
      operationId: 'postToken',
      summary: 'Get a token with OAuth 2',
      request: { schema: TokenForm, mediaType: 'application/x-www-form-urlencoded' },
      response: TOKEN_RESPONSE,
      errors: [401, 404, 429],
    },
    postToken,
  ),
]
