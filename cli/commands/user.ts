import { type Command, Option } from 'commander'
import { commaList, nonEmpty } from '../arguments.ts'
import { CliError } from '../cli-error.ts'
import type { CliContext } from '../context.ts'
import { readNewSecret } from '../prompt.ts'
import type { RegistryClient } from '../registry-client.ts'
import { linesOf, readText } from '../text-file.ts'

interface UserOptions {
  readonly admin?: boolean
  readonly disable?: boolean
  readonly enable?: boolean
  readonly groups?: readonly string[]
}

/** `longshore user ...` */
export function addUserCommands(program: Command, context: CliContext): void {
  const user = program.command('user').description('manage the users of a registry')
  user
    .command('list')
    .description('list all users')
    .action(context.onRegistry(registry => registry.rows('/api/users', 'users')))
  user
    .command('add')
    .description('add a user; the password is read from standard input')
    .argument('<name>', 'name of the new user', nonEmpty)
    .option('--admin', 'make the user an administrator')
    .option('--groups <groups>', 'groups of the user, separated by commas', commaList)
    .action(context.onRegistry(addUser(context), { createsRegistry: true }))
  user
    .command('change')
    .description('change the rights and groups of a user')
    .argument('<name>', 'name of the user', nonEmpty)
    .option('--admin', 'make the user an administrator')
    .option('--no-admin', 'make the user an ordinary user')
    .option('--disable', 'prevent the user from logging in')
    .addOption(new Option('--enable', 'allow the user to log in again').conflicts('disable'))
    .option('--groups <groups>', 'groups of the user, separated by commas', commaList)
    .action(context.onRegistry(changeUser))
  user
    .command('password')
    .description('set the password of a user, read from standard input; this revokes all tokens of the user')
    .argument('<name>', 'name of the user', nonEmpty)
    .action(
      context.onRegistry(async (registry, name: string) =>
        registry.request('PATCH', pathOf(name), { password: await readNewSecret(context.io) }),
      ),
    )
  user
    .command('remove')
    .description('remove a user')
    .argument('<name>', 'name of the user', nonEmpty)
    .action(context.onRegistry((registry, name: string) => registry.request('DELETE', pathOf(name))))
  user
    .command('import')
    .description('add the users of an htpasswd file with bcrypt hashes; reports the lines it cannot import')
    .argument('<file>', 'htpasswd file', nonEmpty)
    .action(context.onRegistry(importUsers(context), { createsRegistry: true }))
}

function addUser({ io }: CliContext) {
  return async (registry: RegistryClient, name: string, { admin = false, groups }: UserOptions) =>
    registry.request('POST', '/api/users', {
      name,
      password: await readNewSecret(io),
      admin,
      ...(groups && { groups }),
    })
}

function changeUser(
  registry: RegistryClient,
  name: string,
  { admin, disable, enable, groups }: UserOptions,
): Promise<unknown> {
  const change = {
    ...(admin !== undefined && { admin }),
    ...((disable || enable) && { disabled: disable === true }),
    ...(groups && { groups }),
  }
  if (Object.keys(change).length === 0)
    throw new CliError('nothing to change: name at least one of --admin, --disable, --enable and --groups', 2)
  return registry.request('PATCH', pathOf(name), change)
}

function importUsers(context: CliContext) {
  return async (registry: RegistryClient, file: string): Promise<unknown[]> => {
    const added: unknown[] = []
    const failures: string[] = []
    for (const [index, line] of linesOf(readText(context.path(file))).entries()) {
      const [name = '', hash = ''] = line.trim().split(/:(.*)/s)
      if (name === '' || name.startsWith('#')) continue
      try {
        added.push(await registry.request('POST', '/api/users', { name, hash: toBcrypt2b(hash) }))
      } catch (error) {
        if (!(error instanceof CliError)) throw error
        failures.push(`\n  line ${index + 1}, ${name}: ${error.message}`)
      }
    }
    if (failures.length === 0) return added
    throw new CliError(
      `imported ${added.length} of ${added.length + failures.length} users; not imported:${failures.join('')}`,
    )
  }
}

/** Apache's htpasswd writes `$2y$` for the same algorithm. */
function toBcrypt2b(hash: string): string {
  return hash.replace(/^\$2y\$/, '$2b$')
}

function pathOf(name: string): string {
  return `/api/users/${encodeURIComponent(name)}`
}
