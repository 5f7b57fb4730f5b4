import { describe, expect, it } from 'vitest'
import about from '../../package.json' with { type: 'json' }
import { longshore, succeed } from '../support/cli.ts'

describe('help', () => {
  it.each(['help', '--help', '-h'])('%s lists the commands and the exit codes', async words => {
    expect(await succeed(words)).toMatch(/login.*user.*robot.*policy.*repo.*tag.*Exit codes: 0/s)
  })

  it.each(['help robot', 'robot --help', 'robot help'])(
    '%s lists only the commands of that noun',
    async words => {
      const text = await succeed(words)
      expect(text).toMatch(/^Usage: longshore robot/)
      expect(text).toMatch(/list.*add.*renew.*remove/s)
      expect(text).not.toContain('import')
    },
  )

  it.each(['help user add', 'user add --help', 'user help add'])('%s shows one command', async words => {
    const text = await succeed(words)
    expect(text).toMatch(/^Usage: longshore user add \[options\] <name>/)
    expect(text).toMatch(/--admin.*--groups.*--data/s)
  })

  it.each(['', 'user'])('is printed to standard error for the incomplete command "%s"', async words => {
    const { code, stdout, stderr } = await longshore(words)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(/^Usage: longshore/)
  })
})

it('prints its version', async () => {
  expect(await succeed('--version')).toBe(`${about.version}\n`)
})

describe('the error for a wrong command line', () => {
  it.each([
    ['usr list', "unknown command 'usr'\n(Did you mean user?)"],
    ['help usr', "unknown command 'usr'\n(Did you mean user?)"],
    ['user lst', "unknown command 'lst'\n(Did you mean list?)"],
    ['help user lst', "unknown command 'lst'\n(Did you mean list?)"],
    ['user add ann --admn', "unknown option '--admn'\n(Did you mean --admin?)"],
    ['user list --jsn', "unknown option '--jsn'\n(Did you mean --json?)"],
    ['robot add ci --my pull --on x', "unknown option '--my'\n(Did you mean --may?)"],
    ['user list --admin', "unknown option '--admin'"],
    ['user add', "missing required argument 'name'"],
    ['user remove ann bob', "too many arguments for 'remove'"],
    ['repo list app', "too many arguments for 'list'"],
    ['user change ann', 'nothing to change'],
    ['user change ann --enable --disable', "'--enable' cannot be used with option '--disable'"],
    ['robot add ci --may pull', '--may and --on are required'],
    ['robot add ci --may pull --on x --expires 7', 'must be a duration such as 720h'],
    ['tag remove app', 'must be a repository and a tag such as team/app:v1'],
    ['tag list ../../api/users', 'must be a repository name such as team/app'],
    ['repo remove ../users/ann', 'must be a repository name such as team/app'],
    ['policy explain bob pull app', 'write user:bob or robot:bob'],
    ['policy explain role:x pull app --claims a', 'must be a list such as'],
    [
      'user list --data x --registry y',
      "'--registry <registry>' cannot be used with option '--data <folder>'",
    ],
    ['user list --registry a/b', '"a/b" must be a registry such as registry.example'],
    ['user list --registry a --user ann', 'set LONGSHORE_PASSWORD'],
    ['--json serve', 'the flags of the server go after "serve"'],
  ])('explains what is wrong in "%s"', async (words, message) => {
    const { code, stdout, stderr } = await longshore(words)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(/^longshore: /)
    expect(stderr).toContain(message)
  })

  it('names the command that prints the help', async () => {
    const { stderr } = await longshore('user add ann --admn')
    expect(stderr).toContain('Run "longshore user add --help" for usage.')
  })
})

describe('serve', () => {
  it.each([
    ['serve', []],
    ['serve --data x --port 0', ['--data', 'x', '--port', '0']],
    ['serve --help', ['--help']],
    ['help serve', ['--help']],
  ])('"%s" gives the server its own flags', async (words, expected) => {
    let received: readonly string[] | undefined
    const serve = async (args: readonly string[]) => {
      received = args
      return 7
    }
    expect((await longshore(words, { serve })).code).toBe(7)
    expect(received).toEqual(expected)
  })
})
