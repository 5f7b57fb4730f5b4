import { tmpdir } from 'node:os'
import { addAbortSignal, type Readable } from 'node:stream'
import { ClientError } from '../lambda/client/client-error.ts'
import { isDockerHub } from '../lambda/client/image-name.ts'
import type { Totals } from '../lambda/client/progress.ts'
import type { FindLogin } from '../lambda/client/registry/authorization.ts'
import { Registry } from '../lambda/client/registry/registry.ts'
import about from '../package.json' with { type: 'json' }
import { CliError } from './cli-error.ts'
import type { CliContext } from './context.ts'
import { DockerConfig } from './docker-config.ts'
import type { Io } from './io.ts'
import { registryHost, registryOrigin } from './origin.ts'
import type { Display } from './progress/display.ts'
import { JsonDisplay } from './progress/json-display.ts'
import { LineDisplay } from './progress/line-display.ts'
import { TerminalDisplay } from './progress/terminal-display.ts'
import { formatBytes, formatSeconds } from './progress/units.ts'

const DOCKER_HUB = { origin: 'https://registry-1.docker.io', loginKey: 'https://index.docker.io/v1/' }
export const USER_AGENT = `longshore/${about.version}`

interface TransferOptions {
  /** Whether standard output is for an archive, so that nothing else may go there. */
  readonly keepsOutput?: boolean
}

export interface Done extends Partial<Totals> {
  /** What was done, such as `pushed`. */
  readonly verb: string
  /** Where the image is now. */
  readonly image: string
  readonly digest: string
}

/** What commands that move images share: registries with their logins, the display, and the end by Ctrl-C. */
export class Transfer {
  readonly display: Display
  readonly signal: AbortSignal
  readonly #io: Io
  readonly #user: string | undefined
  readonly #registries = new Map<string, Registry>()

  constructor(context: CliContext, signal: AbortSignal, display: Display) {
    this.#io = context.io
    this.#user = context.options.user
    this.signal = signal
    this.display = display
  }

  /** Folder for temporary files. */
  get scratch(): string {
    return this.#io.env.TMPDIR || tmpdir()
  }

  /** Standard input, which ends with the command. */
  get stdin(): Readable {
    return addAbortSignal(this.signal, this.#io.stdin)
  }

  /**
   * The registry of an image name. The same name gives the same one.
   * @param usesUser whether `--user` is for it, otherwise the kept login is
   */
  registry(name: string, usesUser: boolean): Registry {
    const known = this.#registries.get(`${name} ${usesUser}`)
    if (known) return known
    const registry = new Registry({
      ...addressOf(name),
      name,
      userAgent: USER_AGENT,
      findLogin: this.loginFor(name, usesUser),
      clock: Date.now,
      env: this.#io.env,
    })
    this.#registries.set(`${name} ${usesUser}`, registry)
    return registry
  }

  loginFor(name: string, usesUser: boolean): FindLogin {
    const { env } = this.#io
    const { LONGSHORE_PASSWORD: password } = env
    const user = usesUser ? this.#userFor(name) : undefined
    if (user && !password) throw new CliError('a password is required with --user: set LONGSHORE_PASSWORD', 2)
    if (user && password) return async () => ({ user, password })
    return () => new DockerConfig(this.#io).findLogin(addressOf(name).loginKey)
  }

  /** The variables may be about another registry, which must not get their password. */
  #userFor(name: string): string | undefined {
    const { LONGSHORE_USER: user, LONGSHORE_REGISTRY: registry } = this.#io.env
    if (this.#user !== undefined) return this.#user
    return registry && registryHost(registry) !== addressOf(name).loginKey ? undefined : user
  }

  close(): void {
    for (const registry of this.#registries.values()) registry.close()
    this.display.end()
  }
}

/** @param name of a registry, as in image names */
export function addressOf(name: string): { readonly origin: string; readonly loginKey: string } {
  return isDockerHub(name) ? DOCKER_HUB : { origin: registryOrigin(name), loginKey: registryHost(name) }
}

/**
 * Runs a command that moves images. Ctrl-C ends it after it has removed what it made.
 * @throws {CliError} for every error of the client
 */
export async function transfer(
  context: CliContext,
  task: (transfer: Transfer) => Promise<readonly Done[]>,
  { keepsOutput = false }: TransferOptions = {},
): Promise<void> {
  const { io, options } = context
  refuseRegistryOptions(context)
  const output = keepsOutput ? io.stderr : io.stdout
  const display = displayFor(context, output)
  await interruptible(io, async signal => {
    const running = new Transfer(context, signal, display)
    const started = Date.now()
    try {
      const done = await task(running)
      display.end()
      const took = Date.now() - started
      for (const each of done) output.write(`${options.json ? jsonOf(each, took) : sentenceOf(each, took)}\n`)
    } finally {
      running.close()
    }
  })
}

/** @throws {CliError} where global options name a registry to a command that has it as an argument */
export function refuseRegistryOptions({ options }: CliContext): void {
  if (options.data ?? options.table ?? options.registry)
    throw new CliError(
      'this command has its registries as arguments, not in --data, --table or --registry',
      2,
    )
}

/** @throws {CliError} for every error of the client; 130 after Ctrl-C */
export async function interruptible(io: Io, task: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController()
  const remove = io.onInterrupt?.(() => controller.abort(new CliError('interrupted', 130)))
  try {
    await task(controller.signal)
  } catch (error) {
    controller.signal.throwIfAborted()
    throw error instanceof ClientError ? new CliError(error.message) : error
  } finally {
    remove?.()
  }
}

function displayFor({ io, options }: CliContext, output: Io['stdout']): Display {
  if (options.json) return new JsonDisplay(output, Date.now)
  if (io.errorColumns === undefined) return new LineDisplay(io.stderr, Date.now)
  return new TerminalDisplay(io.stderr, io.errorColumns, Date.now)
}

function jsonOf({ verb, image, digest, ...totals }: Done, took: number): string {
  return JSON.stringify({ event: 'done', what: verb, image, digest, ...totals, seconds: took / 1000 })
}

function sentenceOf(
  { verb, image, digest, blobs, copiedBlobs = 0, copiedBytes = 0 }: Done,
  took: number,
): string {
  const there = (blobs ?? 0) - copiedBlobs
  const kept = there > 0 ? `; ${there} of ${blobs} blobs were there` : ''
  return `${verb} ${image}@${digest}: ${formatBytes(copiedBytes)} in ${formatSeconds(took)}${kept}`
}
