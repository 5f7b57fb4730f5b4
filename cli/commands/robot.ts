import type { Command } from 'commander'
import { commaList, expiry, nonEmpty } from '../arguments.ts'
import { CliError } from '../cli-error.ts'
import type { CliContext } from '../context.ts'
import type { RegistryClient } from '../registry-client.ts'

interface KeyOptions {
  readonly expires?: string
}

interface RobotOptions extends KeyOptions {
  readonly may?: readonly string[]
  readonly on?: readonly string[]
  readonly tags?: readonly string[]
}

const EXPIRES = ['--expires <duration>', 'how long the key is valid, such as 720h'] as const

/** `longshore robot ...` */
export function addRobotCommands(program: Command, context: CliContext): void {
  const robot = program.command('robot').description('manage the robots of a registry and their keys')
  robot
    .command('list')
    .description('list all robots and their rights')
    .action(context.onRegistry(registry => registry.rows('/api/robots', 'robots')))
  robot
    .command('add')
    .description('add a robot and show its key, once')
    .argument('<name>', 'name of the new robot', nonEmpty)
    .option('--may <rights>', 'rights such as pull,push (required)', commaList)
    .option(
      '--on <repositories>',
      "repositories such as 'team/**', separated by commas (required)",
      commaList,
    )
    .option('--tags <tags>', "only these tags, such as 'v*', separated by commas", commaList)
    .option(...EXPIRES, expiry)
    .addHelpText('after', "\nExample: longshore robot add ci --may pull,push --on 'team/**' --expires 720h")
    .action(context.onRegistry(addRobot, { createsRegistry: true }))
  robot
    .command('renew')
    .description('give a robot a new key and show it, once; the old key stops working')
    .argument('<name>', 'name of the robot', nonEmpty)
    .option(...EXPIRES, expiry)
    .action(
      context.onRegistry((registry, name: string, { expires }: KeyOptions) =>
        registry.request('POST', `${pathOf(name)}/key`, { ...(expires && { expires }) }),
      ),
    )
  robot
    .command('remove')
    .description('remove a robot; its key stops working')
    .argument('<name>', 'name of the robot', nonEmpty)
    .action(context.onRegistry((registry, name: string) => registry.request('DELETE', pathOf(name))))
}

/** Checks the required options here. Commander would report a missing option before a misspelled one. */
function addRobot(registry: RegistryClient, name: string, { may, on, tags, expires }: RobotOptions) {
  if (!may || !on)
    throw new CliError("--may and --on are required, such as --may pull,push --on 'team/**'", 2)
  const grant = { may, on, ...(tags && { tags }) }
  return registry.request('POST', '/api/robots', { name, grants: [grant], ...(expires && { expires }) })
}

function pathOf(name: string): string {
  return `/api/robots/${encodeURIComponent(name)}`
}
