import { Command, CommanderError, Option } from 'commander'
import about from '../package.json' with { type: 'json' }
import { CliError } from './cli-error.ts'
import { addCopyCommand } from './commands/copy.ts'
import { addKubeletCommand } from './commands/kubelet.ts'
import { addLoginCommands } from './commands/login.ts'
import { addPolicyCommands } from './commands/policy.ts'
import { addProxyCommand } from './commands/proxy.ts'
import { addPullCommand } from './commands/pull.ts'
import { addPushCommand } from './commands/push.ts'
import { addRepoCommands } from './commands/repo.ts'
import { addRobotCommands } from './commands/robot.ts'
import { addTagCommands } from './commands/tag.ts'
import { addUserCommands } from './commands/user.ts'
import { CliContext } from './context.ts'
import type { Io } from './io.ts'

const MIN_WIDTH = 60
const DEFAULT_WIDTH = 110

const NOTES = `
push, pull, copy and proxy work with any registry. The other commands work on the registry in a data folder, also while a server runs
on it. --table and --registry select another one.
The environment variables LONGSHORE_DATA, LONGSHORE_REGISTRY and LONGSHORE_USER set --data, --registry and --user.
LONGSHORE_PASSWORD is the password of --user.

Exit codes: 0 success, 1 refused or not found, 2 wrong usage.`

/** The command line of `longshore`: its commands, options and help. */
export function createProgram(io: Io): Command {
  const program = new Command('longshore')
    .description('Manage a Longshore container registry, or run one.')
    .version(about.version, '--version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command...]', 'print the help of a command')
    .addOption(new Option('--data <folder>', 'registry in a data folder (default: ./data)'))
    .addOption(
      new Option('--table <name>', 'registry in a DynamoDB table, with your AWS credentials').conflicts(
        'data',
      ),
    )
    .addOption(
      new Option('--registry <registry>', 'registry over HTTP, with a stored login or --user').conflicts([
        'data',
        'table',
      ]),
    )
    .option('--user <name>', 'user that logs in to a registry over HTTP')
    .option('--json', 'print JSON')
    .addHelpText('after', NOTES)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: text => io.stdout.write(text),
      writeErr: text => io.stderr.write(text),
      outputError: () => {}, // errors are thrown, and `run` prints them
      getOutHelpWidth: () => widthOf(io),
      getErrHelpWidth: () => widthOf(io),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
  const context = new CliContext(io, program)
  program
    .command('serve')
    .description('run the server; "longshore serve --help" lists its flags')
    .action(() => {
      // `run` takes every command line that begins with `serve`.
      throw new CliError('the flags of the server go after "serve"', 2)
    })
  addPushCommand(program, context)
  addPullCommand(program, context)
  addCopyCommand(program, context)
  addProxyCommand(program, context)
  addLoginCommands(program, context)
  addUserCommands(program, context)
  addRobotCommands(program, context)
  addPolicyCommands(program, context)
  addRepoCommands(program, context)
  addTagCommands(program, context)
  addKubeletCommand(program, context)
  throwUsageErrors(program, program.name())
  return program
}

function widthOf({ columns = DEFAULT_WIDTH }: Io): number {
  return Math.max(columns, MIN_WIDTH)
}

/** Makes commander throw errors and not end the process. */
function throwUsageErrors(command: Command, path: string): void {
  command.exitOverride(error => {
    if (isHelp(error)) throw error
    throw new CliError(`${error.message.replace(/^error: /, '')}\nRun "${path} --help" for usage.`, 2)
  })
  for (const child of command.commands) throwUsageErrors(child, `${path} ${child.name()}`)
}

/** Whether commander has printed the help or the version. It also prints the help for an incomplete command. */
function isHelp({ code, exitCode }: CommanderError): boolean {
  return exitCode === 0 || code === 'commander.help'
}

/**
 * Converts `help user add` to `user add --help`. Commander's own help command accepts one name, and prints the help of the whole program
 * for an unknown name.
 */
export function expandHelp(program: Command, argv: readonly string[]): readonly string[] {
  const [first, ...names] = argv
  if (first !== 'help' || names.length === 0) return argv
  let command: Command | undefined = program
  for (const name of names) command = command?.commands.find(child => child.name() === name)
  return command ? [...names, '--help'] : names
}

/** The exit code for an error of commander. @returns undefined for other errors */
export function exitCodeOf(error: unknown): number | undefined {
  if (!(error instanceof CommanderError)) return undefined
  return error.exitCode === 0 ? 0 : 2
}
