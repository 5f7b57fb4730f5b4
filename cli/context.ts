import { resolve } from 'node:path'
import type { Command } from 'commander'
import { CliError } from './cli-error.ts'
import { DockerConfig, type Login } from './docker-config.ts'
import { sendOverHttp } from './http-registry.ts'
import type { Io } from './io.ts'
import { registryHost, registryOrigin } from './origin.ts'
import { print } from './print.ts'
import { type Connection, RegistryClient } from './registry-client.ts'

/** Options that every command takes. */
interface GlobalOptions {
  readonly data?: string
  readonly table?: string
  readonly registry?: string
  readonly user?: string
  readonly json?: boolean
}

interface ActionOptions {
  /** Creates the registry if the data folder has none. */
  readonly createsRegistry?: boolean
  /** Formats the result for people. Absent: as a table, as a list or field by field. */
  readonly format?: (result: never) => string
}

/** What the actions of all commands use: the global options, the registry that they select, and the output. */
export class CliContext {
  readonly io: Io
  readonly #program: Command

  constructor(io: Io, program: Command) {
    this.io = io
    this.#program = program
  }

  get options(): GlobalOptions {
    return this.#program.opts()
  }

  /** Resolves a path of the command line against the current folder. */
  path(path: string): string {
    return resolve(this.io.cwd, path)
  }

  /**
   * Returns a command's action on the registry that the global options select. It prints the result of the task. The registry is opened
   * at the first request, so that a command which fails before that does not create one.
   */
  onRegistry<Args extends unknown[]>(
    task: (registry: RegistryClient, ...args: Args) => Promise<unknown>,
    { createsRegistry = false, format }: ActionOptions = {},
  ): (...args: Args) => Promise<void> {
    return async (...args) => {
      let connection: Connection | undefined
      const registry = new RegistryClient(async (...request) => {
        connection ??= await this.#connect(createsRegistry)
        return connection.send(...request)
      })
      try {
        this.print(await task(registry, ...args), format)
      } finally {
        await connection?.close()
      }
    }
  }

  /** Prints a result: as JSON with `--json`, otherwise for people. */
  print(result: unknown, format: (result: never) => string = print): void {
    if (this.options.json) this.io.stdout.write(`${JSON.stringify(result ?? {}, null, 2)}\n`)
    else if (result !== undefined) this.io.stdout.write(`${format(result as never)}\n`)
  }

  /** Opens the data folder, unless a table or a registry is selected. Flags take precedence over environment variables. */
  async #connect(create: boolean): Promise<Connection> {
    const { env, passwords } = this.io
    const { data, table, registry, user = env.LONGSHORE_USER } = this.options
    const selected = registry ?? (data === undefined ? env.LONGSHORE_REGISTRY : undefined)
    if (table || !selected) {
      // Most of the registry's code, which the other commands do not need.
      const { openFolder, openTable } = await import('./embedded-registry.ts')
      if (table) return openTable(table, passwords)
      return openFolder(this.path(data ?? (env.LONGSHORE_DATA || './data')), { create, passwords })
    }
    const send = sendOverHttp(registryOrigin(selected), await this.#loginFor(registryHost(selected), user))
    return { send, close: async () => {} }
  }

  /** A password is never read from the command line: other users of the machine see command lines. */
  async #loginFor(host: string, user: string | undefined): Promise<Login | undefined> {
    if (!user) return new DockerConfig(this.io).find(host)
    const { LONGSHORE_PASSWORD: password } = this.io.env
    if (password) return { user, password }
    throw new CliError('a password is required with --user: set LONGSHORE_PASSWORD', 2)
  }
}
