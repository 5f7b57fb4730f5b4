import { gzipSync } from 'node:zlib'
import { attempt, type CommandResult } from './command.ts'
import { image } from './images.ts'
import { Containers, Ctr, Docker } from './login-engines.ts'
import { writeLayout } from './oci-layout.ts'
import { randomBytesOf } from './random-bytes.ts'
import { findTool, type Requirements } from './requirements.ts'
import { tar, tarFile } from './tar.ts'
import { TempDir } from './temp-dir.ts'

/** What one of them says that was not let in. */
export const REFUSED =
  /unauthorized|401|authentication required|authorization failed|invalid username|denied|403|forbidden/i

/** How a command ended, and all that it said. */
export interface Outcome {
  readonly ok: boolean
  readonly said: string
}

/**
 * A client as its user knows it, with logins of its own. Registries are named by their hosts, which must be reached without
 * TLS. What is pushed differs from repository to repository.
 */
export interface LoginClient extends AsyncDisposable {
  login(host: string, name: string, password: string): Promise<Outcome>
  push(host: string, repository: string): Promise<Outcome>
  /** What was pushed, not taken from what the client still holds itself. */
  pull(host: string, repository: string): Promise<Outcome>
}

export interface LoginClientKind {
  readonly name: string
  readonly needs: Requirements
  /** Whether a wrong password is found out at the login, rather than at the first push. */
  readonly asksAtLogin: boolean
  /** What it does with a token that is refused before its time: another one, in the middle of a push, or when it is run again. */
  readonly whenRefused: 'asks again' | 'gives up'
  /**
   * Whether it asks for another token when one has had its time. containerd 1.6 keeps it until it has been refused twice, and
   * what it then sends again may be a manifest of which nothing is left to send: it waits for ever.
   */
  readonly minds: boolean
  start(): Promise<LoginClient>
}

/** A client that is one command and a folder. */
abstract class Command implements LoginClient {
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

  /** With the password on standard input where there is one. */
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

  /** A layout with an image that only this repository has. */
  protected layout(repository: string): string {
    return writeLayout(this.scratch.folder(`layout/${repository}`), { 1: image(repository) })
  }
}

class Crane extends Command {
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

class Oras extends Command {
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

class Regctl extends Command {
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

class Skopeo extends Command {
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

class Helm extends Command {
  login(host: string, name: string, password: string) {
    return this.run(['registry', 'login', '--plain-http', '-u', name, '--password-stdin', host], password)
  }
  push(host: string, repository: string) {
    const [chart, folder] = [repository.replace(/^.*\//, ''), repository.replace(/\/[^/]*$/, '')]
    const about = `apiVersion: v2\nname: ${chart}\nversion: 1.0.0\n`
    const files = [tarFile(`${chart}/Chart.yaml`, about), tarFile(`${chart}/templates/NOTES.txt`, repository)]
    const archive = this.scratch.write(`${chart}-1.0.0.tgz`, gzipSync(tar(...files)))
    return this.run(['push', '--plain-http', archive, `oci://${host}/${folder}`])
  }
  pull(host: string, repository: string) {
    const back = this.scratch.folder('back')
    return this.run(['pull', '--plain-http', '--version', '1.0.0', '-d', back, `oci://${host}/${repository}`])
  }
}

export function outcomeOf({ code, stdout, stderr }: CommandResult): Outcome {
  return { ok: code === 0, said: `${stdout}${stderr}` }
}

/** Every client that these machines may have. */
export const LOGIN_CLIENTS: readonly LoginClientKind[] = [
  kind('crane', ['crane'], async () => new Crane('crane'), { asksAtLogin: false, whenRefused: 'asks again' }),
  kind('oras', ['oras'], async () => new Oras('oras'), { whenRefused: 'asks again' }),
  kind('regctl', ['regctl'], async () => new Regctl('regctl')),
  kind('helm', ['helm'], async () => new Helm('helm'), { whenRefused: 'asks again' }),
  kind('skopeo', ['skopeo'], async () => new Skopeo('skopeo')),
  daemon('podman', ['podman'], async () => new Containers()),
  daemon('Docker Engine', ['docker', 'dockerd'], Docker.start),
  daemon("containerd's ctr", ['containerd', 'ctr'], Ctr.start, { asksAtLogin: false, minds: false }),
]

type Manners = Partial<Pick<LoginClientKind, 'asksAtLogin' | 'whenRefused' | 'minds'>>

function kind(
  name: string,
  tools: string[],
  start: LoginClientKind['start'],
  manners: Manners = {},
): LoginClientKind {
  return {
    name,
    needs: { tools },
    start,
    asksAtLogin: true,
    whenRefused: 'gives up',
    minds: true,
    ...manners,
  }
}

function daemon(...[name, tools, start, manners]: Parameters<typeof kind>): LoginClientKind {
  return { ...kind(name, tools, start, manners), needs: { tools, root: true, linux: true } }
}
