import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { basic, bearer, type Guarded, openGuarded, PASSWORD } from '../../support/auth.ts'
import { succeed } from '../../support/cli.ts'
import { TempDir } from '../../support/temp-dir.ts'

const ROOT = basic('root', PASSWORD)
const HASH = '$2y$05$9Bfp.jJNnpCNrTBz2QpcPelXNj6.Wf.2Qd1rC9sM9N0jV0oI9Ckm.'

let guarded: Guarded
beforeEach(async () => {
  guarded = await openGuarded()
})

async function addUser(name: string) {
  const body = JSON.stringify({ name, password: PASSWORD })
  return guarded.as(ROOT, 'POST', '/api/users', { body })
}

const canPull = async (name: string) => {
  const { status } = await guarded.as(basic(name, PASSWORD), 'GET', '/v2/app/tags/list')
  return status !== 403
}

async function allow(who: string): Promise<void> {
  await guarded.setPolicy({ rules: [{ name: 'r', who: [who], may: ['pull'], on: ['**'] }] })
  guarded.wait(60_000)
}

describe('the name of an account', () => {
  it.each(['Jenkins', 'john.doe@corp.com', 'ci+bot', 'a', 'A_b--c', 'x'.repeat(128)])(
    'can be %s: it logs in, matches a rule, and can be changed and removed',
    async name => {
      await guarded.addUser(name)
      await allow(`user:${name}`)
      expect(await canPull(name)).toBe(true)
      const token = bearer(await guarded.tokenFor(basic(name, PASSWORD), 'repository:app:pull'))
      expect((await guarded.as(token, 'GET', '/v2/app/tags/list')).status).toBe(404)
      const body = JSON.stringify({ disabled: true })
      const target = `/api/users/${name}`
      expect((await guarded.as(ROOT, 'PATCH', target, { body })).status).toBe(200)
      expect((await guarded.as(ROOT, 'DELETE', target)).status).toBe(204)
    },
  )

  it.each(['', 'a:b', 'a/b', 'a b', 'a\tb', 'a\u0000', 'a#b', 'a*', '@corp', '.a', 'jörg', 'x'.repeat(129)])(
    'cannot be %j',
    async name => {
      expect((await addUser(name)).code).toBe('BAD_REQUEST')
    },
  )

  it.each(['anonymous', 'Anonymous', 'AWS', 'Oidc', 'TOKEN', 'authenticated'])(
    'cannot be %s, which is reserved',
    async name => {
      expect((await addUser(name)).code).toBe('BAD_REQUEST')
    },
  )

  it('is case-sensitive', async () => {
    for (const name of ['Jenkins', 'jenkins']) await guarded.addUser(name)
    await allow('user:Jenkins')
    expect([await canPull('Jenkins'), await canPull('jenkins')]).toEqual([true, false])
  })

  it('is matched by a pattern in which dots and plus signs are literal', async () => {
    const names = ['john.doe@corp.com', 'johnXdoe@corp.com', 'john.doe@corp-com', 'x.john.doe@corp.com']
    for (const name of names) await guarded.addUser(name)
    await allow('user:john.*@corp.com')
    expect(await Promise.all(names.map(canPull))).toEqual([true, false, false, false])
  })

  it('is accepted or rejected with 400, for any text', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 140 }), async name => {
        const { status } = await guarded.auth.accounts.addUser(name, { secret: 'x' }).then(
          () => ({ status: 201 }),
          error => error,
        )
        expect([201, 400]).toContain(status)
      }),
    )
  })
})

it('the import of an htpasswd file keeps the names of the users', async () => {
  const scratch = new TempDir('longshore-names-')
  try {
    const names = ['Jenkins', 'john.doe@corp.com', 'ci+bot']
    const file = scratch.write('htpasswd', names.map(name => `${name}:${HASH}\n`).join(''))
    await succeed(`user import ${file} --data data`, { cwd: scratch.path })
    const users: { name: string }[] = JSON.parse(
      await succeed('user list --json --data data', { cwd: scratch.path }),
    )
    expect(users.map(({ name }) => name).toSorted()).toEqual(names.toSorted())
  } finally {
    scratch.remove()
  }
})
