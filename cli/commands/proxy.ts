import { type Command, Option } from 'commander'
import { byteSize, type ListenAddress, listenAddress } from '../arguments.ts'
import { CliError } from '../cli-error.ts'
import type { CliContext } from '../context.ts'
import type { Login } from '../docker-config.ts'
import { SilentDisplay } from '../progress/display.ts'
import { isLoopback, ProxyServer } from '../proxy/proxy-server.ts'
import { refuseRegistryOptions, Transfer } from '../transfer.ts'

interface ProxyCommandOptions {
  readonly listen: ListenAddress
  readonly space: number
  readonly stream?: boolean
  readonly auth?: string
}

const NOTES = `
Clients use the address of the proxy in place of that of the registry: podman push --tls-verify=false 127.0.0.1:5555/team/app:v1
A layer that a client streams is held in a temporary file, and sent to the registry in one request.
Clients that log in use their own login. For all others the proxy uses the kept login, or --user.
The password of --auth is LONGSHORE_PROXY_PASSWORD. Temporary files are in TMPDIR.`

/** `longshore proxy` */
export function addProxyCommand(program: Command, context: CliContext): void {
  program
    .command('proxy')
    .description(
      'run a registry on this machine that forwards to another one, and takes layers from every client',
    )
    .argument('<registry>', 'such as registry.example')
    .addOption(
      new Option('--listen <address>', 'address and port to listen on')
        .argParser(listenAddress)
        .default({ host: '127.0.0.1', port: 5555 }, '127.0.0.1:5555'),
    )
    .addOption(
      new Option('--space <size>', 'what temporary files may hold, such as 500MB')
        .argParser(byteSize)
        .default(20e9, '20GB'),
    )
    .option('--stream', 'send blobs through the proxy instead of redirecting clients to them')
    .option('--auth <user>', 'login that clients need; required beyond 127.0.0.1')
    .addHelpText('after', NOTES)
    .action((registry: string, options: ProxyCommandOptions) => serve(context, registry, options))
}

/** Runs until Ctrl-C. */
async function serve(context: CliContext, name: string, options: ProxyCommandOptions): Promise<void> {
  const { io } = context
  const auth = authOf(options.auth, io.env.LONGSHORE_PROXY_PASSWORD)
  const { listen, space, stream = false } = options
  if (!auth && !isLoopback(listen))
    throw new CliError(
      `--auth <user> is required to listen on ${listen.host}: everybody who reaches the proxy uses your login`,
      2,
    )
  refuseRegistryOptions(context)
  const interrupted = Promise.withResolvers<void>()
  const remove = io.onInterrupt?.(interrupted.resolve)
  const transfer = new Transfer(context, new AbortController().signal, new SilentDisplay())
  const registry = transfer.registry(name, true)
  try {
    const server = await ProxyServer.start({
      registry,
      findLogin: transfer.loginFor(name, true),
      listen,
      auth,
      stream,
      scratch: transfer.scratch,
      space,
      log: io.stderr,
    })
    io.stdout.write(`http://${server.host} forwards to ${registry.origin}\n`)
    await interrupted.promise
    await server.stop()
  } finally {
    remove?.()
    transfer.close()
  }
}

function authOf(user: string | undefined, password: string | undefined): Login | undefined {
  if (user === undefined) return undefined
  if (password) return { user, password }
  throw new CliError('a password is required with --auth: set LONGSHORE_PROXY_PASSWORD', 2)
}
