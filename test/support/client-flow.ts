import { expect } from 'vitest'
import { bearer, openGuarded } from './auth.ts'
import type { TestResponse } from './registry.ts'

export const SERVICE = 'registry.example'

/** The fields of a token response that clients read. */
interface TokenResponse {
  readonly token: string
  readonly access_token: string
  readonly expires_in: number
  readonly issued_at: string
  readonly refresh_token?: string
}

/** The parameters of the challenge in a 401 response. */
export function challengeOf({ status, headers }: TestResponse): Record<string, string> {
  const text = headers['www-authenticate'] ?? ''
  expect([status, text.slice(0, 7)]).toEqual([401, 'Bearer '])
  return Object.fromEntries(
    [...text.matchAll(/(\w+)="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value]),
  )
}

export type ClientFlow = Awaited<ReturnType<typeof openClientFlow>>

/**
 * A registry with logins, and the requests by which clients get tokens and use them. The user `ann` may push to
 * `team/**` and pull from `team/**` and `base`. Anonymous callers may pull from `public/**`.
 */
export async function openClientFlow() {
  const guarded = await openGuarded()
  await guarded.addUser('ann')
  await guarded.setPolicy({
    rules: [
      { name: 'team', who: ['user:ann'], may: ['pull', 'push', 'create-tag'], on: ['team/**', 'base'] },
      { name: 'public', who: ['anonymous'], may: ['pull'], on: ['public/**'] },
    ],
  })

  return {
    guarded,

    /** Expects a response with a token that is valid for every client. */
    expectToken({ status, text, json }: TestResponse): TokenResponse {
      expect(status, text).toBe(200)
      const token = json as unknown as TokenResponse
      expect(token.token).toBe(token.access_token)
      // Docker, containers/image and regclient replace a value below 60 by 60.
      expect(token.expires_in).toBeGreaterThanOrEqual(60)
      // regclient treats a token that was issued in the future as expired.
      expect(Math.abs(Date.parse(token.issued_at) - guarded.now())).toBeLessThan(1000)
      return token
    },

    /** Requests a token with GET. The parameters are sent in the given order, and may be repeated. */
    get: (headers: Record<string, string>, ...query: [string, string][]): Promise<TestResponse> =>
      guarded.as(headers, 'GET', `/token?${new URLSearchParams([...query, ['service', SERVICE]])}`),

    /** Requests a token with POST (OAuth 2). */
    post(fields: Record<string, string>): Promise<TestResponse> {
      const headers = { 'content-type': 'application/x-www-form-urlencoded' }
      const body = new URLSearchParams({ service: SERVICE, ...fields }).toString()
      return guarded.request('POST', '/token', { headers, body })
    },

    ping: (headers: Record<string, string> = {}) => guarded.as(headers, 'GET', '/v2/'),

    beginUpload: (token: string, query = '') =>
      guarded.as(bearer(token), 'POST', `/v2/team/app/blobs/uploads/${query}`),
  }
}
