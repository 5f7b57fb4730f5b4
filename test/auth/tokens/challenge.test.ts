import { beforeEach, describe, expect, it } from 'vitest'
import { routes } from '../../../lambda/routes/index.ts'
import { basic, bearer, type Guarded, openGuarded, PASSWORD } from '../../support/auth.ts'
import { digest } from '../../support/content.ts'

const ANN = basic('ann', PASSWORD)
const BLOB = digest('layer')
const MOUNT = `/v2/r/b/blobs/uploads/?mount=${BLOB}&from=r/a`

let guarded: Guarded
beforeEach(async () => {
  guarded = await openGuarded()
  await guarded.addUser('ann')
  await guarded.addUser('bob')
  await guarded.setPolicy({
    rules: [
      { name: 'ann', who: ['user:ann'], may: ['pull', 'push', 'delete'], on: ['r/*'] },
      { name: 'bob', who: ['user:bob'], may: ['pull', 'push'], on: ['r/b'] },
    ],
  })
  const target = `/v2/r/a/blobs/uploads/?digest=${BLOB}`
  expect((await guarded.as(ANN, 'POST', target, { body: 'layer' })).status).toBe(201)
})

type ChallengeResponse = Awaited<ReturnType<Guarded['as']>>
const scopeOf = ({ headers }: ChallengeResponse) =>
  /scope="([^"]*)"/.exec(headers['www-authenticate'] ?? '')?.[1]

describe('the challenge of a mount', () => {
  it('names the source, and a token for its scope allows the mount', async () => {
    const challenged = await guarded.as({}, 'POST', MOUNT)
    expect([challenged.status, scopeOf(challenged)]).toEqual([
      401,
      'repository:r/b:pull,push repository:r/a:pull',
    ])
    const token = await guarded.tokenFor(ANN, scopeOf(challenged) ?? '')
    expect((await guarded.as(bearer(token), 'POST', MOUNT)).status).toBe(201)
  })

  it('names the source if only the scope of the token lacks it', async () => {
    const token = await guarded.tokenFor(ANN, 'repository:r/b:pull,push')
    const response = await guarded.as(bearer(token), 'POST', MOUNT)
    expect([response.status, scopeOf(response)]).toEqual([
      401,
      'repository:r/b:pull,push repository:r/a:pull',
    ])
    expect(response.headers['www-authenticate']).toContain('error="insufficient_scope"')
  })

  it('is not sent if the policy does not allow the source: an upload session begins', async () => {
    const token = await guarded.tokenFor(basic('bob', PASSWORD), 'repository:r/b:pull,push')
    expect((await guarded.as(bearer(token), 'POST', MOUNT)).status).toBe(202)
  })

  it.each(['R/A', 'a"b', 'r/b', ''])('does not contain the source %j', async from => {
    const target = `/v2/r/b/blobs/uploads/?mount=${BLOB}&from=${encodeURIComponent(from)}`
    expect(scopeOf(await guarded.as({}, 'POST', target))).toBe('repository:r/b:pull,push')
  })
})

describe('a token for the scope of a challenge', () => {
  const PARAMETERS: Record<string, string> = {
    name: 'r/b',
    digest: BLOB,
    reference: 'v1',
    existing: 'v1',
    upload: '00000000-0000-4000-8000-000000000000',
  }
  const guardedRoutes = routes.filter(
    ({ action }) => action === 'pull' || action === 'push' || action === 'delete' || action === 'list',
  )

  it.each(guardedRoutes)('allows $method $path', async ({ method, path }) => {
    const target = path.replace(/<(\w+)>/g, (_, part) => PARAMETERS[part] ?? '')
    const scope = scopeOf(await guarded.as({}, method, target))
    const token = await guarded.tokenFor(ANN, scope ?? '')
    expect([401, 403]).not.toContain((await guarded.as(bearer(token), method, target)).status)
  })
})
