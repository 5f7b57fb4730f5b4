import type { Command } from 'commander'
import { awsPassword } from '../aws-password.ts'
import { CliError } from '../cli-error.ts'
import type { CliContext } from '../context.ts'
import { DockerConfig } from '../docker-config.ts'
import { sendOverHttp } from '../http-registry.ts'
import type { Io } from '../io.ts'
import { registryHost, registryOrigin } from '../origin.ts'
import { readSecret } from '../prompt.ts'
import { reasonOf } from '../registry-client.ts'

const LOGIN_NOTES = `
Name a user with --user, or use --aws. The password of --user is read from standard input.
Example: longshore login registry.example --user ann`

/** `longshore login`, `logout`, `whoami` and `aws-password` */
export function addLoginCommands(program: Command, context: CliContext): void {
  const registry = ['<registry>', 'such as registry.example or http://localhost:5000'] as const
  program
    .command('login')
    .description('log in to a registry and store the login in the Docker configuration')
    .argument(...registry)
    .option('--aws', 'log in with your AWS credentials; Docker gets a new password each time')
    .addHelpText('after', LOGIN_NOTES)
    .action(async (name: string, { aws = false }: { aws?: boolean }) =>
      context.print(await login(context, name, aws)),
    )
  program
    .command('logout')
    .description('remove a stored login')
    .argument(...registry)
    .action(async (name: string) => {
      await new DockerConfig(context.io).forget(registryHost(name))
      context.print(undefined)
    })
  program
    .command('whoami')
    .description('show the identity of your login')
    .action(context.onRegistry(client => client.get('/api/me')))
  program
    .command('aws-password')
    .description('print a password for "docker login -u aws"; it is valid for 15 minutes')
    .argument(...registry)
    .action(async (name: string) => context.print(await passwordFor(registryHost(name), context.io)))
}

async function login({ io, options }: CliContext, registry: string, aws: boolean): Promise<unknown> {
  const { user } = options
  if ((user !== undefined) === aws) throw new CliError('either --user <name> or --aws is required', 2)
  const [origin, host] = [registryOrigin(registry), registryHost(registry)]
  const login =
    user === undefined
      ? { user: 'aws', password: await passwordFor(host, io) }
      : { user, password: await readSecret(io) }
  const response = await sendOverHttp(origin, login)('GET', '/api/me')
  if (response.status !== 200) throw new CliError(`${host} refused the login: ${reasonOf(response)}`)
  const { id } = response.json as { id: string }
  if (id === 'anonymous') throw new CliError(`no login is needed: authentication is disabled at ${host}`)
  const config = new DockerConfig(io)
  if (aws) config.useHelper(host, 'longshore')
  else await config.save(host, login)
  return { registry: host, as: id, kept: config.path }
}

async function passwordFor(registry: string, io: Io): Promise<string> {
  return awsPassword({ registry, ...(await io.awsCredentials()), now: new Date() })
}
