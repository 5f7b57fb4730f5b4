import type { Issued, TokenService } from '../auth/token-service.ts'
import { readBody } from '../http/body.ts'
import type { Request, Response } from '../http/message.ts'
import { route } from '../http/router.ts'
import { RegistryError } from '../protocol/errors.ts'
import { parseScopes } from '../protocol/scope.ts'
import { json } from './answers.ts'
import type { Context } from './context.ts'

const MOST_FORM = 64 * 1024

/** Docker's token specification: by name and password in Basic, or by nothing, for what anybody may do. */
async function getToken(request: Request, _: object, { tokens }: Context): Promise<Response> {
  const { query } = request
  const scopes = parseScopes(query.getAll('scope'))
  const wantsRefresh = query.get('offline_token') === 'true'
  return answer(await service(tokens).byBasic(request, scopes, wantsRefresh))
}

/** OAuth 2 as containerd and others use it: a form, with a password or with a refresh token. */
async function postToken(request: Request, _: object, { tokens }: Context): Promise<Response> {
  const form = new URLSearchParams(Buffer.from(await readBody(request, MOST_FORM)).toString())
  const scopes = parseScopes(form.getAll('scope'))
  switch (form.get('grant_type')) {
    case 'password': {
      const login = { name: form.get('username') ?? '', password: form.get('password') ?? '' }
      const wantsRefresh = form.get('access_type') === 'offline'
      return answer(await service(tokens).byPassword(request, login, scopes, wantsRefresh))
    }
    case 'refresh_token':
      return answer(await service(tokens).byRefresh(request, form.get('refresh_token') ?? '', scopes))
    default:
      throw new RegistryError('BAD_REQUEST', {
        detail: { grant_type: 'is neither password nor refresh_token' },
      })
  }
}

function service(tokens: Context['tokens']): TokenService {
  if (!tokens) throw new RegistryError('NOT_FOUND', { detail: { reason: 'nobody logs in here' } })
  return tokens
}

/** Some clients read `token`, some `access_token`. Neither may be kept by anything in between. */
function answer({ token, refresh, issued, life }: Issued): Response {
  return json(
    {
      token,
      access_token: token,
      expires_in: life,
      issued_at: new Date(issued).toISOString(),
      ...(refresh && { refresh_token: refresh }),
    },
    { 'cache-control': 'no-store' },
  )
}

export const tokenRoutes = [
  route('GET', '/token', 'none', getToken),
  route('POST', '/token', 'none', postToken),
]
