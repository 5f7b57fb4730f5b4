import { describe, expect, it } from 'vitest'
import { ANONYMOUS, type Subject } from '../../../lambda/auth/identity/subject.ts'
import { allowedEverywhere, decide, parseGrants, parsePolicy } from '../../../lambda/auth/policy/policy.ts'
import type { Right } from '../../../lambda/auth/policy/schema.ts'

const POLICY = parsePolicy({
  rules: [
    { name: 'public images', who: ['anonymous'], may: ['pull'], on: ['public/**'] },
    { name: 'all logins', who: ['authenticated'], may: ['pull'], on: ['**'] },
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
    ['anonymous pulls a public repository', ANONYMOUS, 'pull', 'public/a/b', undefined, true],
    ['anonymous pulls no other repository', ANONYMOUS, 'pull', 'app/a', undefined, false],
    ['anonymous does not push', ANONYMOUS, 'push-content', 'public/a', undefined, false],
    ['a user pulls from every repository', user('ann'), 'pull', 'app/a', undefined, true],
    ['a robot pulls a public repository', robot('x'), 'pull', 'public/a', undefined, true],
    [
      'a member of the group pushes to a matching repository',
      user('ann', 'release'),
      'push-content',
      'app/a',
      undefined,
      true,
    ],
    [
      'a member of the group creates a matching tag',
      user('ann', 'release'),
      'create-tag',
      'app/a',
      'v1',
      true,
    ],
    [
      'a member of the group creates no other tag',
      user('ann', 'release'),
      'create-tag',
      'app/a',
      'latest',
      false,
    ],
    [
      'a member of the group does not push to a nested repository',
      user('ann', 'release'),
      'push-content',
      'app/a/b',
      undefined,
      false,
    ],
    ['a user outside the group does not push', user('bob'), 'push-content', 'app/a', undefined, false],
    [
      'a member of a group with a longer name does not push',
      user('bob', 'released'),
      'push-content',
      'app/a',
      undefined,
      false,
    ],
    ['a user named like the group does not push', user('release'), 'push-content', 'app/a', undefined, false],
    ['a robot moves a matching tag', robot('ci-1'), 'overwrite-tag', 'app/a', 'nightly', true],
    [
      'a user named like the robot does not move the tag',
      user('ci-1'),
      'overwrite-tag',
      'app/a',
      'nightly',
      false,
    ],
    [
      'a matching role deletes',
      { kind: 'role', arn: 'arn:aws:iam::1:role/deploy-x', account: '1', session: 's' },
      'delete',
      'old/a',
      undefined,
      true,
    ],
    [
      'another role does not delete',
      { kind: 'role', arn: 'arn:aws:iam::1:role/other', account: '1', session: 's' },
      'delete',
      'old/a',
      undefined,
      false,
    ],
    [
      'a workflow of the main branch pushes',
      github({ repository: 'acme/app', ref: 'refs/heads/main' }),
      'push-content',
      'acme/a',
      undefined,
      true,
    ],
    [
      'a workflow of another branch does not push',
      github({ repository: 'acme/app', ref: 'refs/heads/x' }),
      'push-content',
      'acme/a',
      undefined,
      false,
    ],
    [
      'a workflow without the claim `ref` does not push',
      github({ repository: 'acme/app' }),
      'push-content',
      'acme/a',
      undefined,
      false,
    ],
    [
      'a workflow of a repository with a longer name does not push',
      github({ repository: 'acme/app/x', ref: 'refs/heads/main' }),
      'push-content',
      'acme/a',
      undefined,
      false,
    ],
    ['a workflow without claims does not push', github({}), 'push-content', 'acme/a', undefined, false],
    [
      'a workflow of an issuer with a longer name does not push',
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
    ['a user deletes a matching tag', user('sam'), 'delete', 'a', 'tmp-1', true],
    [
      'a user with a rule for some tags does not delete a manifest',
      user('sam'),
      'delete',
      'a',
      undefined,
      false,
    ],
  ])('%s', (_, subject, action, repository, tag, allowed) => {
    expect(decide(POLICY, subject, { action, repository, tag }).allowed).toBe(allowed)
  })

  it('applies a rule with claims to no subject without claims', () => {
    const rule = { name: 'x', who: ['anonymous', 'authenticated'], may: ['pull'], on: ['**'] }
    const policy = parsePolicy({ rules: [{ ...rule, claims: { sub: '**' } }] })
    const request = { action: 'pull', repository: 'a' } as const
    for (const subject of [ANONYMOUS, user('ann'), robot('ci')])
      expect(decide(policy, subject, request).allowed).toBe(false)
    expect(decide(policy, github({}), request).allowed).toBe(true)
  })

  it('compares the name of an issuer literally, not as a pattern', () => {
    const rules = [{ name: 'x', who: ['oidc:*'], may: ['pull'], on: ['**'] }]
    expect(decide(parsePolicy({ rules }), github({}), { action: 'pull', repository: 'a' }).allowed).toBe(
      false,
    )
  })

  it('does not mistake a property of every JavaScript object for a claim', () => {
    const rule = { name: 'x', who: ['oidc:github'], may: ['pull'], on: ['**'], claims: { toString: '**' } }
    const policy = parsePolicy({ rules: [rule] })
    const request = { action: 'pull', repository: 'a' } as const
    expect(decide(policy, github({}), request).allowed).toBe(false)
    expect(decide(policy, github({ toString: 'value' }), request).allowed).toBe(true)
  })

  it('grants no right everywhere by a rule for some tags', () => {
    const rule = { name: 'x', who: ['user:ann'], may: ['pull', 'administer'], on: ['**'] }
    const all = parsePolicy({ rules: [rule] })
    const some = parsePolicy({ rules: [{ ...rule, tags: ['v*'] }] })
    for (const action of ['pull', 'administer'] as const) {
      expect(allowedEverywhere(all, user('ann'), action)).toBe(true)
      expect(allowedEverywhere(some, user('ann'), action)).toBe(false)
    }
  })

  it('names the rule that decided', () => {
    const request = { action: 'pull', repository: 'public/a' } as const
    expect(decide(POLICY, ANONYMOUS, request).because).toBe('of the rule "public images"')
    expect(decide(POLICY, user('ann'), { ...request, action: 'push-content' }).because).toBe(
      'no rule allows it',
    )
  })

  it('allows administrators everything except moving or deleting an immutable tag', () => {
    const admin: Subject = { kind: 'user', name: 'root', groups: [], admin: true }
    expect(decide(POLICY, admin, { action: 'delete', repository: 'x' }).allowed).toBe(true)
    for (const action of ['overwrite-tag', 'delete'] as const)
      expect(decide(POLICY, admin, { action, repository: 'app/a', tag: 'v1' })).toEqual({
        allowed: false,
        because: 'the tag v1 is immutable',
      })
    expect(decide(POLICY, admin, { action: 'create-tag', repository: 'app/a', tag: 'v2' }).allowed).toBe(true)
  })

  it('allows a robot what its grants allow', () => {
    const mine = robot('mine', [{ may: ['push', 'create-tag'], on: ['mine/**'], tags: ['b-*'] }])
    expect(decide(POLICY, mine, { action: 'create-tag', repository: 'mine/a', tag: 'b-1' }).allowed).toBe(
      true,
    )
    expect(decide(POLICY, mine, { action: 'create-tag', repository: 'mine/a', tag: 'a' }).allowed).toBe(false)
    expect(decide(POLICY, mine, { action: 'push-content', repository: 'yours/a' }).allowed).toBe(false)
  })

  it('allows nothing when it is empty', () => {
    const empty = parsePolicy({ rules: [] })
    expect(decide(empty, user('ann'), { action: 'pull', repository: 'a' }).allowed).toBe(false)
  })
})

describe('an invalid policy', () => {
  const rule = { name: 'r', who: ['anonymous'], may: ['pull'], on: ['a'] }
  it.each<[unknown, RegExp]>([
    [{ rules: [{ ...rule, may: ['fly'] }] }, /^rules\.0\.may\.0: must be one of pull/],
    [{ rules: [rule, { ...rule, who: ['everyone'] }] }, /^rules\.1\.who\.0: must be anonymous/],
    [{ rules: [{ ...rule, on: [] }] }, /^rules\.0\.on: must contain at least one pattern/],
    [{ rules: [{ ...rule, wno: ['x'] }] }, /^rules\.0\.wno: unknown field$/],
    [{ rules: [{ who: ['anonymous'], may: ['pull'], on: ['a'] }] }, /^rules\.0\.name: is missing$/],
    [{}, /^rules: is missing$/],
    ...['__proto__', 'constructor', 'prototype'].map((claim): [unknown, RegExp] => [
      { rules: [{ ...rule, claims: JSON.parse(`{"${claim}":"a","sub":"**"}`) }] },
      /^rules\.0\.claims: must not contain __proto__, constructor, prototype/,
    ]),
    [{ rules: 'none' }, /^rules/],
    [null, /^the document/],
  ])('%j is rejected with the field and the reason', (document, message) => {
    expect(() => parsePolicy(document)).toThrow(message)
  })
})
