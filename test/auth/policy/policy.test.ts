import { describe, expect, it } from 'vitest'
import { ANONYMOUS, type Subject } from '../../../lambda/auth/identity/subject.ts'
import { allowedEverywhere, decide, parseGrants, parsePolicy } from '../../../lambda/auth/policy/policy.ts'
import type { Right } from '../../../lambda/auth/policy/schema.ts'

const POLICY = parsePolicy({
  rules: [
    { name: 'public images', who: ['anonymous'], may: ['pull'], on: ['public/**'] },
    { name: 'everyone here', who: ['authenticated'], may: ['pull'], on: ['**'] },
    { name: 'releases', who: ['group:release'], may: ['push', 'create-tag'], on: ['app/*'], tags: ['v*'] },
    { name: 'nightly', who: ['robot:ci-*'], may: ['overwrite-tag'], on: ['app/*'], tags: ['nightly'] },
    { name: 'deploy role', who: ['role:arn:aws:iam::*:role/deploy-*'], may: ['delete'], on: ['old/**'] },
    {
      name: 'workflows of acme',
      who: ['oidc:github'],
      claims: { repository: 'acme/*', ref: 'refs/heads/main' },
      may: ['push'],
      on: ['acme/**'],
    },
    { name: 'sweepers', who: ['user:sam'], may: ['delete'], on: ['**'], tags: ['tmp-*'] },
    { name: 'lead', who: ['user:lena'], may: ['administer'], on: ['**'] },
  ],
  immutable: [{ on: ['app/*'], tags: ['v*'] }],
})

const user = (name: string, ...groups: string[]): Subject => ({ kind: 'user', name, groups, admin: false })
const robot = (name: string, grants: unknown = []): Subject => ({
  kind: 'robot',
  name,
  grants: Array.isArray(grants) && grants.length === 0 ? [] : parseGrants(grants),
})
const github = (claims: Record<string, string>): Subject => ({
  kind: 'oidc',
  issuer: 'github',
  subject: 'repo:acme/app',
  claims,
})

describe('the policy', () => {
  it.each<[string, Subject, Right, string, string | undefined, boolean]>([
    ['a stranger pulls what is public', ANONYMOUS, 'pull', 'public/a/b', undefined, true],
    ['a stranger pulls nothing else', ANONYMOUS, 'pull', 'app/a', undefined, false],
    ['a stranger pushes nothing', ANONYMOUS, 'push-content', 'public/a', undefined, false],
    ['whoever is known pulls everything', user('ann'), 'pull', 'app/a', undefined, true],
    ['and what a stranger may', robot('x'), 'pull', 'public/a', undefined, true],
    ['a member of the group pushes', user('ann', 'release'), 'push-content', 'app/a', undefined, true],
    ['and makes tags that fit', user('ann', 'release'), 'create-tag', 'app/a', 'v1', true],
    ['but no others', user('ann', 'release'), 'create-tag', 'app/a', 'latest', false],
    ['nor deeper down', user('ann', 'release'), 'push-content', 'app/a/b', undefined, false],
    ['nobody else does', user('bob'), 'push-content', 'app/a', undefined, false],
    [
      'nor a member of a group of which that is the beginning',
      user('bob', 'released'),
      'push-content',
      'app/a',
      undefined,
      false,
    ],
    ['a user named as a group is none', user('release'), 'push-content', 'app/a', undefined, false],
    ['a robot moves its tag', robot('ci-1'), 'overwrite-tag', 'app/a', 'nightly', true],
    ['a user of that name does not', user('ci-1'), 'overwrite-tag', 'app/a', 'nightly', false],
    [
      'a role',
      { kind: 'role', arn: 'arn:aws:iam::1:role/deploy-x', account: '1', session: 's' },
      'delete',
      'old/a',
      undefined,
      true,
    ],
    [
      'another role',
      { kind: 'role', arn: 'arn:aws:iam::1:role/other', account: '1', session: 's' },
      'delete',
      'old/a',
      undefined,
      false,
    ],
    [
      'a workflow of main',
      github({ repository: 'acme/app', ref: 'refs/heads/main' }),
      'push-content',
      'acme/a',
      undefined,
      true,
    ],
    [
      'a workflow of a branch',
      github({ repository: 'acme/app', ref: 'refs/heads/x' }),
      'push-content',
      'acme/a',
      undefined,
      false,
    ],
    [
      'a workflow that does not say',
      github({ repository: 'acme/app' }),
      'push-content',
      'acme/a',
      undefined,
      false,
    ],
    [
      'a workflow of a look-alike',
      github({ repository: 'acme/app/x', ref: 'refs/heads/main' }),
      'push-content',
      'acme/a',
      undefined,
      false,
    ],
    ['a claim that every object has', github({}), 'push-content', 'acme/a', undefined, false],
    [
      'a workflow of another issuer of a name that begins alike',
      {
        kind: 'oidc',
        issuer: 'github2',
        subject: 's',
        claims: { repository: 'acme/app', ref: 'refs/heads/main' },
      },
      'push-content',
      'acme/a',
      undefined,
      false,
    ],
    ['deleting a tag that fits', user('sam'), 'delete', 'a', 'tmp-1', true],
    ['deleting a whole manifest needs a rule without tags', user('sam'), 'delete', 'a', undefined, false],
  ])('%s', (_, subject, action, repository, tag, allowed) => {
    expect(decide(POLICY, subject, { action, repository, tag }).allowed).toBe(allowed)
  })

  it('opens no rule that asks for claims to somebody who cannot have any', () => {
    const rule = { name: 'x', who: ['anonymous', 'authenticated'], may: ['pull'], on: ['**'] }
    const policy = parsePolicy({ rules: [{ ...rule, claims: { sub: '**' } }] })
    const wish = { action: 'pull', repository: 'a' } as const
    for (const subject of [ANONYMOUS, user('ann'), robot('ci')])
      expect(decide(policy, subject, wish).allowed).toBe(false)
    expect(decide(policy, github({}), wish).allowed).toBe(true)
  })

  it('knows an issuer by its name alone, and takes no pattern for it', () => {
    const rules = [{ name: 'x', who: ['oidc:*'], may: ['pull'], on: ['**'] }]
    expect(decide(parsePolicy({ rules }), github({}), { action: 'pull', repository: 'a' }).allowed).toBe(
      false,
    )
  })

  it('finds a claim that every object has in JavaScript with those alone who have it', () => {
    const rule = { name: 'x', who: ['oidc:github'], may: ['pull'], on: ['**'], claims: { toString: '**' } }
    const policy = parsePolicy({ rules: [rule] })
    const wish = { action: 'pull', repository: 'a' } as const
    expect(decide(policy, github({}), wish).allowed).toBe(false)
    expect(decide(policy, github({ toString: 'said' }), wish).allowed).toBe(true)
  })

  it('takes nobody for one who may do it everywhere by a rule for some tags', () => {
    const rule = { name: 'x', who: ['user:ann'], may: ['pull', 'administer'], on: ['**'] }
    const all = parsePolicy({ rules: [rule] })
    const some = parsePolicy({ rules: [{ ...rule, tags: ['v*'] }] })
    for (const action of ['pull', 'administer'] as const) {
      expect(allowedEverywhere(all, user('ann'), action)).toBe(true)
      expect(allowedEverywhere(some, user('ann'), action)).toBe(false)
    }
  })

  it('names the rule that decided', () => {
    const wish = { action: 'pull', repository: 'public/a' } as const
    expect(decide(POLICY, ANONYMOUS, wish).because).toBe('of the rule "public images"')
    expect(decide(POLICY, user('ann'), { ...wish, action: 'push-content' }).because).toBe('no rule allows it')
  })

  it('lets administrators do everything but move what is immutable', () => {
    const admin: Subject = { kind: 'user', name: 'root', groups: [], admin: true }
    expect(decide(POLICY, admin, { action: 'delete', repository: 'x' }).allowed).toBe(true)
    for (const action of ['overwrite-tag', 'delete'] as const)
      expect(decide(POLICY, admin, { action, repository: 'app/a', tag: 'v1' })).toEqual({
        allowed: false,
        because: 'the tag v1 is immutable',
      })
    expect(decide(POLICY, admin, { action: 'create-tag', repository: 'app/a', tag: 'v2' }).allowed).toBe(true)
  })

  it('lets a robot do what its key grants', () => {
    const key = robot('mine', [{ may: ['push', 'create-tag'], on: ['mine/**'], tags: ['b-*'] }])
    expect(decide(POLICY, key, { action: 'create-tag', repository: 'mine/a', tag: 'b-1' }).allowed).toBe(true)
    expect(decide(POLICY, key, { action: 'create-tag', repository: 'mine/a', tag: 'a' }).allowed).toBe(false)
    expect(decide(POLICY, key, { action: 'push-content', repository: 'yours/a' }).allowed).toBe(false)
  })

  it('allows nothing when it is empty', () => {
    const empty = parsePolicy({ rules: [] })
    expect(decide(empty, user('ann'), { action: 'pull', repository: 'a' }).allowed).toBe(false)
  })
})

describe('a policy that does not read', () => {
  const rule = { name: 'r', who: ['anonymous'], may: ['pull'], on: ['a'] }
  it.each<[unknown, RegExp]>([
    [{ rules: [{ ...rule, may: ['fly'] }] }, /^rules\.0\.may\.0: is none of pull/],
    [{ rules: [rule, { ...rule, who: ['everyone'] }] }, /^rules\.1\.who\.0: is none of anonymous/],
    [{ rules: [{ ...rule, on: [] }] }, /^rules\.0\.on: must name at least one/],
    [{ rules: [{ ...rule, wno: ['x'] }] }, /^rules\.0\.wno: is not known here$/],
    [{ rules: [{ who: ['anonymous'], may: ['pull'], on: ['a'] }] }, /^rules\.0\.name: is missing$/],
    [{}, /^rules: is missing$/],
    ...['__proto__', 'constructor', 'prototype'].map((claim): [unknown, RegExp] => [
      { rules: [{ ...rule, claims: JSON.parse(`{"${claim}":"a","sub":"**"}`) }] },
      /^rules\.0\.claims: cannot ask for __proto__, constructor, prototype/,
    ]),
    [{ rules: 'none' }, /^rules/],
    [null, /^the document/],
  ])('%j names what is wrong', (document, message) => {
    expect(() => parsePolicy(document)).toThrow(message)
  })
})
