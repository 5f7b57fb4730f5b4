import { gzipSync } from 'node:zlib'
import { attempt, type CommandResult } from './command.ts'
import { image } from './images.ts'
import { Containers, Ctr, Docker } from './login-engines.ts'
import { writeLayout } from './oci-layout.ts'
import { randomBytesOf } from './random-bytes.ts'
import { findTool, type Requirements } from './requirements.ts'
import { tar, tarFile } from './tar.ts'
import { TempDir } from './temp-dir.ts'

/** Matches the output of any client whose credentials were rejected. */
export const REJECTION =
  /unauthorized|401|authentication required|authorization failed|invalid username|denied|403|forbidden/i

/** Whether a command succeeded, and what it printed. */
export interface Outcome {
  readonly ok: boolean
  readonly output: string
}

/**
 * A client program with logins of its own. Registries are named by their hosts and reached without TLS. Each repository
 * gets different content.
 */
export interface LoginClient extends AsyncDisposable {
  login(host: string, name: string, password: string): Promise<Outcome>
  push(host: string, repository: string): Promise<Outcome>
  /** Pulls the content of a push from the registry. The client does not use its own copy. */
  pull(host: string, repository: string): Promise<Outcome>
}

/** A kind of client, and how it behaves in the cases that tests distinguish. */
export interface LoginClientKind {
  readonly name: string
  readonly needs: Requirements
  /** Whether the client sends the password at the login, so that a wrong one fails there and not at the first push. */
  readonly checksAtLogin: boolean
  /** What a push does if the registry rejects a token before its expiry: it requests another token, or it fails. */
  readonly onRejectedToken: 'retries' | 'fails'
  /**
   * Whether it requests another token when one has expired. containerd 1.6 does so only after two rejections. It may
   * then repeat a manifest whose body it has already sent, and waits forever.
   */
  readonly renewsTokens: boolean
  start(): Promise<LoginClient>
}

/** A client that is a single program with a folder for its configuration. */
abstract class CommandClient implements LoginClient {
  protected readonly scratch = new TempDir('longshore-client-')
  readonly #command: string
  constructor(command: string) {
    this.#command = findTool(command) ?? command
  }

  abstract login(host: string, name: string, password: string): Promise<Outcome>
  abstract push(host: string, repository: string): Promise<Outcome>
  abstract pull(host: string, repository: string): Promise<Outcome>

  async [Symbol.asyncDispose](): Promise<void> {
    this.scratch.remove()
  }

  /** @param input standard input, such as a password */
  protected async run(args: readonly string[], input?: string): Promise<Outcome> {
    const home = this.scratch.folder('home')
    const env = {
      HOME: home,
      DOCKER_CONFIG: home,
      XDG_RUNTIME_DIR: home,
      REGCTL_CONFIG: `${home}/regctl.json`,
      HELM_REGISTRY_CONFIG: `${home}/helm.json`,
    }
    const options = { env, cwd: this.scratch.path, timeoutMs: 120_000, ...(input && { input }) }
    return outcomeOf(await attempt(this.#command, args, options))
  }

  /** An OCI layout folder with an image that only this repository has. */
  protected layout(repository: string): string {
    return writeLayout(this.scratch.folder(`layout/${repository}`), { 1: image(repository) })
  }
}

class Crane extends CommandClient {
  login(host: string, name: string, password: string) {
    return this.run(['auth', 'login', host, '-u', name, '--password-stdin'], password)
  }
  push(host: string, repository: string) {
    return this.run(['push', this.layout(repository), `${host}/${repository}:1`])
  }
  pull(host: string, repository: string) {
    return this.run(['validate', '--remote', `${host}/${repository}:1`])
  }
}

class Oras extends CommandClient {
  login(host: string, name: string, password: string) {
    return this.run(['login', '--plain-http', '-u', name, '--password-stdin', host], password)
  }
  push(host: string, repository: string) {
    const file = repository.replaceAll('/', '-')
    this.scratch.write(file, randomBytesOf(repository, 50_000))
    return this.run(['push', '--plain-http', `${host}/${repository}:1`, file])
  }
  pull(host: string, repository: string) {
    return this.run(['pull', '--plain-http', '-o', 'back', `${host}/${repository}:1`])
  }
}

class Regctl extends CommandClient {
  async login(host: string, name: string, password: string) {
    await this.#withoutTls(host)
    return this.run(['registry', 'login', host, '-u', name, '--pass-stdin'], password)
  }
  async push(host: string, repository: string) {
    await this.#withoutTls(host)
    return this.run(['image', 'copy', `ocidir://${this.layout(repository)}:1`, `${host}/${repository}:1`])
  }
  async pull(host: string, repository: string) {
    await this.#withoutTls(host)
    const back = `ocidir://${this.scratch.folder(`back/${repository}`)}:1`
    return this.run(['image', 'copy', `${host}/${repository}:1`, back])
  }
  #withoutTls(host: string) {
    return this.run(['registry', 'set', host, '--tls', 'disabled', '--skip-check'])
  }
}

class Skopeo extends CommandClient {
  login(host: string, name: string, password: string) {
    const flags = ['--tls-verify=false', ...this.#authfile, '-u', name, '--password-stdin']
    return this.run(['login', ...flags, host], password)
  }
  push(host: string, repository: string) {
    const flags = ['--insecure-policy', 'copy', '--dest-tls-verify=false', ...this.#authfile]
    return this.run([...flags, `oci:${this.layout(repository)}:1`, `docker://${host}/${repository}:1`])
  }
  pull(host: string, repository: string) {
    const flags = ['--insecure-policy', 'copy', '--src-tls-verify=false', ...this.#authfile]
    const back = this.scratch.folder(`back/${repository}`)
    return this.run([...flags, `docker://${host}/${repository}:1`, `dir:${back}`])
  }
  get #authfile(): string[] {
    return ['--authfile', this.scratch.join('auth.json')]
  }
}

class Helm extends CommandClient {
  login(host: string, name: string, password: string) {
    return this.run(['registry', 'login', '--plain-http', '-u', name, '--password-stdin', host], password)
  }
  push(host: string, repository: string) {
    const [chart, folder] = [repository.replace(/^.*\//, ''), repository.replace(/\/[^/]*$/, '')]
    const metadata = `apiVersion: v2\nname: ${chart}\nversion: 1.0.0\n`
    const files = [
      tarFile(`${chart}/Chart.yaml`, metadata),
      tarFile(`${chart}/templates/NOTES.txt`, repository),
    ]
    const archive = this.scratch.write(`${chart}-1.0.0.tgz`, gzipSync(tar(...files)))
    return this.run(['push', '--plain-http', archive, `oci://${host}/${folder}`])
  }
  pull(host: string, repository: string) {
    const back = this.scratch.folder('back')
    return this.run(['pull', '--plain-http', '--version', '1.0.0', '-d', back, `oci://${host}/${repository}`])
  }
}

export function outcomeOf({ code, stdout, stderr }: CommandResult): Outcome {
  return { ok: code === 0, output: `${stdout}${stderr}` }
}

/** All clients. A test of a client that is not installed is skipped. */
export const LOGIN_CLIENTS: readonly LoginClientKind[] = [
  kind('crane', ['crane'], async () => new Crane('crane'), {
    checksAtLogin: false,
    onRejectedToken: 'retries',
  }),
  kind('oras', ['oras'], async () => new Oras('oras'), { onRejectedToken: 'retries' }),
  kind('regctl', ['regctl'], async () => new Regctl('regctl')),
  kind('helm', ['helm'], async () => new Helm('helm'), { onRejectedToken: 'retries' }),
  kind('skopeo', ['skopeo'], async () => new Skopeo('skopeo')),
  daemon('podman', ['podman'], async () => new Containers()),
  daemon('Docker Engine', ['docker', 'dockerd'], Docker.start),
  daemon("containerd's ctr", ['containerd', 'ctr'], Ctr.start, {
    checksAtLogin: false,
    renewsTokens: false,
  }),
]

type Behavior = Partial<Pick<LoginClientKind, 'checksAtLogin' | 'onRejectedToken' | 'renewsTokens'>>

function kind(
  name: string,
  tools: string[],
  start: LoginClientKind['start'],
  behavior: Behavior = {},
): LoginClientKind {
  return {
    name,
    needs: { tools },
    start,
    checksAtLogin: true,
    onRejectedToken: 'fails',
    renewsTokens: true,
    ...behavior,
  }
}

/** A client that needs root, because it runs a daemon or mounts file systems. */
function daemon(...[name, tools, start, behavior]: Parameters<typeof kind>): LoginClientKind {
  return { ...kind(name, tools, start, behavior), needs: { tools, root: true, linux: true } }
}
