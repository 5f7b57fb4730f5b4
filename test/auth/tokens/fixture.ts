import { basic, bearer, type Guarded, openGuarded, PASSWORD } from '../../support/auth.ts'

/** What a client requests. The policy of the fixture allows only the pull. */
export const SCOPE = 'repository:app:pull,push'
export const TAGS_LIST = '/v2/app/tags/list'
export const HOUR = 60 * 60 * 1000

/** A registry with the user ann, who may pull from the repository `app`, which does not exist. */
export async function openWithAnn(): Promise<Guarded> {
  const guarded = await openGuarded()
  await guarded.addUser('ann')
  await guarded.setPolicy({ rules: [{ name: 'ann', who: ['user:ann'], may: ['pull'], on: ['app'] }] })
  return guarded
}

/**
 * Returns whether a token allows a pull. Only callers that may pull learn by a 404 that the repository does not exist.
 */
export async function allowsPull(guarded: Guarded, token: string): Promise<boolean> {
  return (await guarded.as(bearer(token), 'GET', TAGS_LIST)).status === 404
}

export function tokenOfAnn(guarded: Guarded, ...scopes: string[]): Promise<string> {
  return guarded.tokenFor(basic('ann', PASSWORD), ...(scopes.length > 0 ? scopes : [SCOPE]))
}

/** The parts of a JWT, without a check of its signature. */
export function decodeToken(token: string) {
  const [head = '', body = '', signature = ''] = token.split('.')
  const decode = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString())
  return { head: decode(head), body: decode(body), signature }
}
