import { expect } from 'vitest'
import { bearer, type Guarded, openGuarded } from './auth.ts'

export const SERVICE = 'registry.example'

/** What a token endpoint answers, as far as some client reads it. */
interface Told {
  readonly token: string
  readonly access_token: string
  readonly expires_in: number
  readonly issued_at: string
  readonly refresh_token?: string
}
type Answer = Awaited<ReturnType<Guarded['request']>>

/** The challenge of an answer, by its parameters. */
export function challengeOf({ status, headers }: Answer): Record<string, string> {
  const text = headers['www-authenticate'] ?? ''
  expect([status, text.slice(0, 7)]).toEqual([401, 'Bearer '])
  return Object.fromEntries(
    [...text.matchAll(/(\w+)="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value]),
  )
}

export type ClientFlow = Awaited<ReturnType<typeof openClientFlow>>

/**
 * What clients say to the registry and its token service to push to `team/app` and to pull from there and from `base`, as the
 * user `ann` may. Anybody may pull from `public/**`.
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

    /** A token as every client wants it, whichever of its members it reads. */
    expectToken(answer: Answer): Told {
      expect(answer.status, answer.text).toBe(200)
      const told = answer.json as unknown as Told
      expect(told.token).toBe(told.access_token)
      // Docker, containers/image and regclient take less for 60.
      expect(told.expires_in).toBeGreaterThanOrEqual(60)
      // To regclient a token has expired that was given out in the future.
      expect(Math.abs(Date.parse(told.issued_at) - guarded.now())).toBeLessThan(1000)
      return told
    },

    /** The parameters in the order in which they are sent, some of them perhaps several times. */
    get: (headers: Record<string, string>, ...query: [string, string][]): Promise<Answer> =>
      guarded.as(headers, 'GET', `/token?${new URLSearchParams([...query, ['service', SERVICE]])}`),

    post(fields: Record<string, string>): Promise<Answer> {
      const headers = { 'content-type': 'application/x-www-form-urlencoded' }
      const body = new URLSearchParams({ service: SERVICE, ...fields }).toString()
      return guarded.request('POST', '/token', { headers, body })
    },

    ping: (headers: Record<string, string> = {}) => guarded.as(headers, 'GET', '/v2/'),

    beginUpload: (token: string, query = '') =>
      guarded.as(bearer(token), 'POST', `/v2/team/app/blobs/uploads/${query}`),
  }
}
