import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Subject } from '../../../lambda/auth/identity/subject.ts'
import { decide, parsePolicy } from '../../../lambda/auth/policy/policy.ts'
import { ACTIONS, upgradeGrant } from '../../../lambda/auth/policy/schema.ts'
import { keys } from '../../../lambda/store/keys.ts'
import { basic, type Guarded, openGuarded, PASSWORD } from '../../support/auth.ts'
import { digest, imageOf } from '../../support/content.ts'
import { MemoryTable } from '../../support/memory-table.ts'

/** How long a policy is cached, in milliseconds. */
const POLICY_CACHE_MS = 60_000
const ROOT = basic('root', PASSWORD)
const headers = { 'content-type': 'application/vnd.oci.image.manifest.v1+json' }
const [first, second] = [imageOf(['layer']), imageOf(['layer'], { v: '2' })]

let guarded: Guarded
let table: MemoryTable
beforeEach(async () => {
  table = new MemoryTable()
  guarded = await openGuarded({ table })
  await pushBlobs(ROOT)
})

async function addRobot(may: string[], tags?: string[]): Promise<Record<string, string>> {
  const grants = [{ may, on: ['app'], ...(tags && { tags }) }]
  const { key } = await guarded.auth.accounts.addRobot('ci', { grants })
  return basic('ci', key)
}

/** Rewrites a stored row as an older version wrote it: without a format. */
async function removeFormat(key: (typeof keys)['policy']): Promise<void> {
  const row = await table.get(key)
  if (!row) throw new Error('no such row')
  const { format, ...old } = row
  expect(format).toBe(2)
  await table.transact({ put: old as typeof row })
}

async function pushBlobs(login: Record<string, string>): Promise<void> {
  for (const blob of ['{}', 'layer']) {
    const target = `/v2/app/blobs/uploads/?digest=${digest(blob)}`
    expect((await guarded.as(login, 'POST', target, { body: blob })).status).toBe(201)
  }
}

const put = (login: Record<string, string>, reference: string, body: string, query = '') =>
  guarded.as(login, 'PUT', `/v2/app/manifests/${reference}${query}`, { headers, body })

async function explain(action: string, tag?: string) {
  const question = { who: 'robot:ci', action, repository: 'app', ...(tag && { tag }) }
  const body = JSON.stringify(question)
  return (await guarded.as(ROOT, 'POST', '/api/policy/explain', { body })).json as unknown as {
    allowed: boolean
    because: string
    sentence: string
    needs?: { action: string; allowed: boolean }[]
  }
}

describe('push', () => {
  it('creates a tag, moves it and pushes by digest', async () => {
    const robot = await addRobot(['push'])
    await pushBlobs(robot)
    for (const [reference, body] of [
      ['v1', first],
      ['v1', second],
      [digest(first), first],
    ] as const)
      expect((await put(robot, reference, body)).status).toBe(201)
  })

  it('does not move an immutable tag', async () => {
    const robot = await addRobot(['push'])
    await guarded.setPolicy({ rules: [], immutable: [{ on: ['app'], tags: ['v*'] }] })
    guarded.wait(POLICY_CACHE_MS)
    expect((await put(robot, 'v1', first)).status).toBe(201)
    const refused = await put(robot, 'v1', second)
    expect([refused.status, refused.detail?.because]).toEqual([403, 'the tag v1 is immutable'])
  })

  it('stays within the tags of its grant', async () => {
    const robot = await addRobot(['push'], ['v*'])
    expect((await put(robot, 'v1', first)).status).toBe(201)
    expect((await put(robot, 'latest', first)).detail).toMatchObject({ action: 'create-tag' })
  })

  it('equals push-content, create-tag and overwrite-tag together, for every policy', () => {
    const actions = fc.subarray([...ACTIONS], { minLength: 1 })
    const ann: Subject = { kind: 'user', name: 'ann', groups: [], admin: false }
    const rightsOfPush = ['push-content', 'create-tag', 'overwrite-tag'] as const
    const decideAll = (may: readonly string[]) => {
      const policy = parsePolicy({ rules: [{ name: 'r', who: ['user:ann'], may, on: ['a'], tags: ['v*'] }] })
      const rights = ['pull', ...rightsOfPush, 'delete'] as const
      return rights.flatMap(action =>
        [undefined, 'v1', 'x'].map(tag => decide(policy, ann, { action, repository: 'a', tag }).allowed),
      )
    }
    fc.assert(
      fc.property(actions, may => {
        const spelledOut = may.flatMap(action => (action === 'push' ? rightsOfPush : [action]))
        expect(decideAll(may)).toEqual(decideAll(spelledOut))
      }),
    )
  })
})

describe('push-content', () => {
  it('uploads blobs and pushes by digest, but creates no tag', async () => {
    const robot = await addRobot(['push-content'])
    await pushBlobs(robot)
    expect((await put(robot, digest(first), first)).status).toBe(201)
    expect((await put(robot, 'v1', first)).detail).toMatchObject({ action: 'create-tag', tag: 'v1' })
  })

  it('pushes a tag again if it already points to the same manifest', async () => {
    const robot = await addRobot(['push-content'])
    await put(ROOT, 'v1', first)
    expect((await put(robot, 'v1', first)).status).toBe(201)
  })

  it('is refused a new tag before the body of the manifest is read', async () => {
    const robot = await addRobot(['push-content'])
    let isRead = false
    async function* body() {
      isRead = true
      yield Buffer.from(first)
    }
    for (const [reference, query] of [
      ['v1', ''],
      [digest(first), '?tag=v1'],
    ]) {
      const target = `/v2/app/manifests/${reference}${query}`
      const sent = { headers: { ...headers, 'transfer-encoding': 'chunked' }, body: body() as never }
      expect((await guarded.as(robot, 'PUT', target, sent)).status).toBe(403)
    }
    expect(isRead).toBe(false)
  })
})

describe('rows of an older version', () => {
  it('limit a robot with push to blobs and digests, and are shown as push-content', async () => {
    const robot = await addRobot(['pull', 'push'])
    await removeFormat(keys.account('ci'))
    expect((await put(robot, digest(first), first)).status).toBe(201)
    expect((await put(robot, 'v1', first)).detail).toMatchObject({ action: 'create-tag' })
    const { robots } = (await guarded.as(ROOT, 'GET', '/api/robots')).json as unknown as {
      robots: { grants: { may: string[] }[] }[]
    }
    expect(robots[0]?.grants[0]?.may).toEqual(['pull', 'push-content'])
  })

  it('limit a rule with push to blobs and digests, and are shown as push-content', async () => {
    await guarded.addUser('ann')
    await guarded.setPolicy({ rules: [{ name: 'ann', who: ['user:ann'], may: ['push'], on: ['app'] }] })
    await removeFormat(keys.policy)
    guarded.wait(POLICY_CACHE_MS)
    const { policy } = (await guarded.as(ROOT, 'GET', '/api/policy')).json as unknown as {
      policy: { rules: { may: string[] }[] }
    }
    expect(policy.rules[0]?.may).toEqual(['push-content'])
    expect((await put(basic('ann', PASSWORD), 'v1', first)).detail).toMatchObject({ action: 'create-tag' })
  })

  it('keep their meaning when the policy is read and written back', async () => {
    await guarded.setPolicy({ rules: [{ name: 'ann', who: ['user:ann'], may: ['push'], on: ['app'] }] })
    await removeFormat(keys.policy)
    const before = await guarded.auth.policies.current()
    await guarded.setPolicy(before.policy)
    expect((await guarded.auth.policies.current()).policy).toEqual(before.policy)
  })

  it('are upgraded once and not changed by a second upgrade', () => {
    fc.assert(
      fc.property(fc.subarray([...ACTIONS]), may => {
        const once = upgradeGrant({ may }, undefined)
        expect(once.may).not.toContain('push')
        expect(upgradeGrant(once, 2)).toEqual(once)
        expect(upgradeGrant(once, undefined)).toEqual(once)
      }),
    )
  })
})

describe('the explanation of a push to a tag', () => {
  it('contains the reason if every right is granted', async () => {
    await addRobot(['push'])
    expect(await explain('push', 'v1')).toMatchObject({
      allowed: true,
      sentence: 'robot:ci may push on app:v1, because of the grants of the robot ci (the tag does not exist)',
    })
  })

  it('names create-tag if it is missing and the tag does not exist', async () => {
    await addRobot(['push-content', 'overwrite-tag'])
    expect(await explain('push', 'v1')).toMatchObject({
      allowed: false,
      sentence:
        'robot:ci may not push on app:v1, because the tag does not exist and create-tag is missing: no rule allows it',
      needs: [
        { action: 'push-content', allowed: true },
        { action: 'create-tag', allowed: false },
      ],
    })
  })

  it('names overwrite-tag if it is missing and the tag exists', async () => {
    await addRobot(['push-content', 'create-tag'])
    await put(ROOT, 'v1', first)
    const { allowed, sentence } = await explain('push', 'v1')
    expect([allowed, sentence]).toEqual([
      false,
      'robot:ci may not push on app:v1, because the tag exists and overwrite-tag is missing: no rule allows it',
    ])
  })

  it('warns about a tag that can be created but not moved', async () => {
    await addRobot(['push'])
    await guarded.setPolicy({ rules: [], immutable: [{ on: ['app'], tags: ['v*'] }] })
    const { allowed, sentence } = await explain('push', 'v1')
    expect(allowed).toBe(true)
    expect(sentence).toContain('once it exists, overwrite-tag is refused: the tag v1 is immutable')
  })

  it('agrees with the push itself, for every grant', async () => {
    await put(ROOT, 'existing', first)
    const grant = fc.subarray([...ACTIONS], { minLength: 1 })
    await fc.assert(
      fc.asyncProperty(grant, fc.constantFrom('existing', 'new'), async (may, tag) => {
        const robot = await addRobot(may)
        const { allowed } = await explain('push', tag)
        const { status } = await put(robot, tag, second)
        await guarded.auth.accounts.remove('ci', 'robot')
        expect(status).toBe(allowed ? 201 : 403)
        if (status === 201 && tag === 'new') await guarded.as(ROOT, 'DELETE', '/v2/app/manifests/new')
        if (status === 201 && tag === 'existing') await put(ROOT, 'existing', first)
      }),
      { numRuns: 40 },
    )
  })
})
