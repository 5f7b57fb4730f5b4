import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { type Ask, openFolder, openRegistry, openTable } from './ask.ts'
import { COMMANDS, type Command, type Input } from './commands.ts'
import { DockerConfig } from './docker-config.ts'
import { Failure } from './failure.ts'
import { LOGINS, type LoginCommand } from './logins.ts'
import { hostOf, originOf } from './origin.ts'
import { print } from './print.ts'
import { readSecret } from './secret.ts'

const FLAGS = {
  data: { type: 'string' },
  table: { type: 'string' },
  registry: { type: 'string' },
  user: { type: 'string' },
  aws: { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  admin: { type: 'boolean' },
  'no-admin': { type: 'boolean' },
  disable: { type: 'boolean' },
  enable: { type: 'boolean' },
  groups: { type: 'string' },
  may: { type: 'string' },
  on: { type: 'string' },
  tags: { type: 'string' },
  expires: { type: 'string' },
  claims: { type: 'string' },
} as const

/** What every command takes. All else must be in its usage. */
const COMMON = ['data', 'table', 'registry', 'user', 'json', 'help']

const ALL: Readonly<Record<string, Command | LoginCommand>> = { ...LOGINS, ...COMMANDS }

try {
  await main()
} catch (error) {
  if (!(error instanceof Failure)) throw error
  console.error(`longshore: ${error.message}`)
  process.exitCode = error.code
}

async function main(): Promise<void> {
  const { values: flags, positionals } = read()
  const [name, command] = find(positionals)
  if (flags.help || !command) {
    console.log(command ? `Usage: longshore ${command.usage}\n\n${command.about}` : help(positionals[0]))
    if (!flags.help) process.exitCode = 2
    return
  }
  const strange = Object.keys(flags).find(
    flag => !COMMON.includes(flag) && !command.usage.split(/[^\w-]/).includes(`--${flag}`),
  )
  if (strange) throw new Failure(`${name} has no --${strange}: longshore ${command.usage}`, 2)
  const words = positionals.slice(name.split(' ').length)
  const [, beforeFlags = ''] = /^(.*?)(?: \[| --|$)/.exec(command.usage) ?? []
  const most = beforeFlags.match(/<[^>]+>\S*/g)?.length ?? 0
  if (words.length > most) throw new Failure(`"${words[most]}" is too much: longshore ${command.usage}`, 2)
  const result = await carryOut(command, { words, flags, secret: readSecret })
  if (result === undefined && !flags.json) return
  const say = ('say' in command && command.say) || print
  console.log(flags.json ? JSON.stringify(result ?? {}, null, 2) : say(result))
}

async function carryOut(command: Command | LoginCommand, input: Input & { flags: Flags }): Promise<unknown> {
  if ('login' in command) return command.login(input)
  const { ask, close } = await open(input.flags)
  try {
    return await command.run(ask, input)
  } finally {
    close()
  }
}

type Flags = ReturnType<typeof read>['values']

function read() {
  try {
    return parseArgs({ options: FLAGS, allowPositionals: true })
  } catch (error) {
    throw new Failure(`${(error as Error).message.split('. ')[0]} (--help lists what there is)`, 2)
  }
}

function find(positionals: readonly string[]): [string, Command | LoginCommand | undefined] {
  const names = [positionals.slice(0, 2).join(' '), positionals[0] ?? '']
  const name = names.find(name => Object.hasOwn(ALL, name)) ?? ''
  const isNoun = positionals.length === 1 && commandsOf(positionals[0]).length > 0
  if (positionals.length > 0 && name === '' && !isNoun)
    throw new Failure(`there is no command ${names[0]} (--help lists what there is)`, 2)
  return [name, ALL[name]]
}

/** The folder, unless a registry is named. A password is never on the command line, where others see it. */
async function open({ data, table, registry, user }: Flags): Promise<{ ask: Ask; close(): void }> {
  if (table) return openTable(table)
  const { LONGSHORE_REGISTRY, LONGSHORE_USER, LONGSHORE_PASSWORD, LONGSHORE_DATA } = process.env
  const named = registry ?? (data === undefined ? LONGSHORE_REGISTRY : undefined)
  if (!named) return openFolder(resolve(data ?? LONGSHORE_DATA ?? './data'))
  const name = user ?? LONGSHORE_USER
  if (name && !LONGSHORE_PASSWORD) throw new Failure('the password is missing: set LONGSHORE_PASSWORD', 2)
  const login =
    name && LONGSHORE_PASSWORD
      ? { user: name, password: LONGSHORE_PASSWORD }
      : await new DockerConfig().find(hostOf(named))
  return { ask: openRegistry(originOf(named), login), close: () => {} }
}

/** All, or those of one noun such as `user`. */
function commandsOf(noun?: string): (Command | LoginCommand)[] {
  return Object.entries(ALL).flatMap(([name, command]) =>
    noun === undefined || name.startsWith(`${noun} `) ? [command] : [],
  )
}

function help(noun?: string): string {
  const commands = commandsOf(noun)
  const width = Math.max(...commands.map(({ usage }) => Math.min(usage.length, 44)))
  const lines = commands.map(({ usage, about }) =>
    usage.length > width
      ? `  ${usage}\n  ${''.padEnd(width)}  ${about}`
      : `  ${usage.padEnd(width)}  ${about}`,
  )
  return `Usage: longshore <command> [flags]

${lines.join('\n')}

  --data <folder>        the registry in a folder, also while its server runs (./data)
  --table <name>         accounts and policy of a deployment, by your credentials of AWS
  --registry <registry>  a registry over HTTP: by a login that was kept, or --user and LONGSHORE_PASSWORD
  --json                 prints JSON

Exit code 0: done; 1: refused or not there; 2: the command line makes no sense.`
}
