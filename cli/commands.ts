import { readFileSync } from 'node:fs'
import { parseDuration } from '../server/duration.ts'
import { get, pages, rows, send } from './answers.ts'
import type { Ask } from './ask.ts'
import { Failure } from './failure.ts'

/** What stands behind a command: words, and what flags there were. */
export interface Input {
  readonly words: readonly string[]
  readonly flags: Readonly<Record<string, string | boolean | undefined>>
  /** Reads a secret: from standard input. */
  readonly secret: () => Promise<string>
}

export interface Command {
  readonly usage: string
  readonly about: string
  readonly run: (ask: Ask, input: Input) => Promise<unknown>
  /** What a person is shown of the result. Absent: its parts, one by one. */
  readonly say?: (result: unknown) => string
}

export const COMMANDS: Readonly<Record<string, Command>> = {
  whoami: {
    usage: 'whoami',
    about: 'who the registry takes you for',
    run: ask => get(ask, '/api/me'),
  },
  'user list': {
    usage: 'user list',
    about: 'all users',
    run: async ask => rows(await get(ask, '/api/users'), 'users'),
  },
  'user add': {
    usage: 'user add <name> [--admin] [--groups a,b]',
    about: 'makes a user; the password is read from standard input',
    run: async (ask, { words: [name = ''], flags, secret }) =>
      send(ask, 'POST', '/api/users', {
        name: needed(name, 'name'),
        password: await secret(),
        admin: flags.admin === true,
        ...(flags.groups !== undefined && { groups: list(flags.groups) }),
      }),
  },
  'user change': {
    usage: 'user change <name> [--admin | --no-admin] [--disable | --enable] [--groups a,b]',
    about: 'changes what a user is',
    run: (ask, { words: [name = ''], flags }) => {
      const change = {
        ...either(flags, 'admin', 'no-admin', 'admin'),
        ...either(flags, 'disable', 'enable', 'disabled'),
        ...(flags.groups !== undefined && { groups: list(flags.groups) }),
      }
      if (Object.keys(change).length === 0) throw new Failure('what is to be changed is missing', 2)
      return send(ask, 'PATCH', user(name), change)
    },
  },
  'user password': {
    usage: 'user password <name>',
    about: 'gives a user another password, read from standard input; his tokens end',
    run: async (ask, { words: [name = ''], secret }) =>
      send(ask, 'PATCH', user(name), { password: await secret() }),
  },
  'user remove': {
    usage: 'user remove <name>',
    about: 'removes a user',
    run: (ask, { words: [name = ''] }) => send(ask, 'DELETE', user(name)),
  },
  'user import': {
    usage: 'user import <htpasswd file>',
    about: 'makes users of the lines of an htpasswd file with bcrypt hashes; of others it tells',
    run: async (ask, { words: [file = ''] }) => {
      const lines = read(needed(file, 'file'))
        .split('\n')
        .map(line => line.trim())
      const made: unknown[] = []
      const not: string[] = []
      for (const line of lines.filter(line => line !== '' && !line.startsWith('#'))) {
        const [name = '', hash = ''] = line.split(/:(.*)/s)
        try {
          made.push(await send(ask, 'POST', '/api/users', { name, hash: hash.replace(/^\$2y\$/, '$2b$') }))
        } catch (error) {
          if (!(error instanceof Failure)) throw error
          not.push(`${name}: ${error.message}`)
        }
      }
      if (not.length > 0) throw new Failure(`made ${made.length} users, but not ${not.join('; ')}`)
      return made
    },
  },
  'robot list': {
    usage: 'robot list',
    about: 'all robots, and what their keys grant',
    run: async ask => rows(await get(ask, '/api/robots'), 'robots'),
  },
  'robot add': {
    usage: "robot add <name> --may pull,push --on 'team/**' [--tags 'v*'] [--expires 720h]",
    about: 'makes a robot and shows its key, once',
    run: (ask, { words: [name = ''], flags }) =>
      send(ask, 'POST', '/api/robots', {
        name: needed(name, 'name'),
        grants: [
          {
            may: list(needed(flags.may, '--may')),
            on: list(needed(flags.on, '--on')),
            ...(flags.tags !== undefined && { tags: list(flags.tags) }),
          },
        ],
        ...(flags.expires !== undefined && { expires: expiry(flags.expires) }),
      }),
  },
  'robot renew': {
    usage: 'robot renew <name> [--expires 720h]',
    about: 'gives a robot another key and shows it, once; the one before is worthless',
    run: (ask, { words: [name = ''], flags }) =>
      send(ask, 'POST', `${robot(name)}/key`, {
        ...(flags.expires !== undefined && { expires: expiry(flags.expires) }),
      }),
  },
  'robot remove': {
    usage: 'robot remove <name>',
    about: 'revokes a robot',
    run: (ask, { words: [name = ''] }) => send(ask, 'DELETE', robot(name)),
  },
  'policy show': {
    usage: 'policy show',
    about: 'the policy, as policy set takes it',
    run: async ask => ((await get(ask, '/api/policy')) as { policy: unknown }).policy,
    say: policy => JSON.stringify(policy, null, 2),
  },
  'policy set': {
    usage: 'policy set <file>',
    about: 'takes the policy from a JSON file',
    run: async (ask, { words: [file = ''] }) => {
      const { version } = (await get(ask, '/api/policy')) as { version: number }
      return send(ask, 'PUT', '/api/policy', { policy: json(needed(file, 'file')), version })
    },
    say: result => `the policy is now of version ${(result as { version: number }).version}`,
  },
  'policy explain': {
    usage: 'policy explain <who> <action> <repository>[:<tag>] [--claims a=b,c=d]',
    about: 'which rule decides, for anonymous, user:…, robot:…, role:… or oidc:…',
    say: result => (result as { sentence: string }).sentence,
    run: (ask, { words: [who = '', action = '', what = ''], flags }) => {
      const [repository, tag] = needed(what, 'repository').split(/:(.*)/s)
      const claims = Object.fromEntries(list(flags.claims ?? '').map(pair => pair.split(/=(.*)/s)))
      return send(ask, 'POST', '/api/policy/explain', {
        who,
        action,
        repository,
        ...(tag && { tag }),
        claims,
      })
    },
  },
  'repo list': {
    usage: 'repo list',
    about: 'the repositories that you may pull from',
    run: async ask => pages(ask, '/v2/_catalog', 'repositories'),
  },
  'repo remove': {
    usage: 'repo remove <repository>',
    about: 'removes a repository with all its tags and manifests',
    run: async (ask, { words: [name = ''] }) => {
      const target = `/api/repositories/${needed(name, 'repository')}`
      for (let removed = 0; ; ) {
        const part = (await send(ask, 'DELETE', target)) as { removed: number; more: boolean }
        removed += part.removed
        if (!part.more) return { repository: name, removed }
      }
    },
  },
  'tag list': {
    usage: 'tag list <repository>',
    about: 'the tags of a repository',
    run: async (ask, { words: [name = ''] }) =>
      pages(ask, `/v2/${needed(name, 'repository')}/tags/list`, 'tags'),
  },
  'tag remove': {
    usage: 'tag remove <repository>:<tag>',
    about: 'removes a tag; the manifest stays',
    run: (ask, { words: [what = ''] }) => {
      const [name = '', tag = ''] = what.split(':')
      return send(ask, 'DELETE', `/v2/${needed(name, 'repository')}/manifests/${needed(tag, 'tag')}`)
    },
  },
}

const user = (name: string) => `/api/users/${encodeURIComponent(needed(name, 'name'))}`
const robot = (name: string) => `/api/robots/${encodeURIComponent(needed(name, 'name'))}`

function needed(value: string | boolean | undefined, name: string): string {
  if (typeof value === 'string' && value !== '') return value
  throw new Failure(`${name} is missing`, 2)
}

function list(value: string | boolean): string[] {
  return String(value).split(',').filter(Boolean)
}

function either(flags: Input['flags'], yes: string, no: string, name: string): Record<string, boolean> {
  if (flags[yes] && flags[no]) throw new Failure(`--${yes} and --${no} at once`, 2)
  return flags[yes] || flags[no] ? { [name]: flags[yes] === true } : {}
}

function expiry(text: string | boolean): string {
  const life = parseDuration(String(text))
  if (life === undefined) throw new Failure(`--expires: "${text}" is no duration such as 720h`, 2)
  return new Date(Date.now() + life).toISOString()
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    throw new Failure(`cannot read ${path}`)
  }
}

function json(path: string): unknown {
  try {
    return JSON.parse(read(path))
  } catch (error) {
    throw error instanceof Failure ? error : new Failure(`${path} is no JSON`)
  }
}
