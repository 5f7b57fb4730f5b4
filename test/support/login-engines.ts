import { Containerd } from './containerd.ts'
import { ContainersStorage } from './containers-storage.ts'
import { writeDockerArchive } from './docker-archive.ts'
import { Dockerd } from './dockerd.ts'
import { image } from './images.ts'
import type { LoginClient, Outcome } from './login-clients.ts'
import { writeLayoutArchive } from './oci-layout.ts'
import { randomBytesOf } from './random-bytes.ts'
import { tar, tarFile } from './tar.ts'
import { TempDir } from './temp-dir.ts'

/** Podman, whose code for registries is the same as in Buildah and CRI-O. */
export class Containers implements LoginClient {
  readonly #scratch = new TempDir('longshore-client-')
  readonly #logins = this.#scratch.write('auth.json', '{}')
  readonly #podman = new ContainersStorage('podman')

  login(host: string, name: string, password: string): Promise<Outcome> {
    return outcome(this.#podman.run('login', ...this.#flags, '-u', name, '-p', password, host))
  }

  async push(host: string, repository: string): Promise<Outcome> {
    const name = `${host}/${repository}:1`
    await this.#podman.run('load', '-q', '-i', archiveOf(this.#scratch, name, repository))
    return outcome(this.#podman.run('push', ...this.#flags, name))
  }

  async pull(host: string, repository: string): Promise<Outcome> {
    const name = `${host}/${repository}:1`
    await outcome(this.#podman.run('rmi', '-f', name))
    return outcome(this.#podman.run('pull', ...this.#flags, name))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#podman.stop()
    this.#scratch.remove()
  }

  get #flags(): string[] {
    return ['--tls-verify=false', '--authfile', this.#logins]
  }
}

/** Docker Engine and its command line client. */
export class Docker implements LoginClient {
  readonly #scratch = new TempDir('longshore-client-')
  readonly #engine: Dockerd

  static async start(this: void): Promise<Docker> {
    return new Docker(await Dockerd.start())
  }

  private constructor(engine: Dockerd) {
    this.#engine = engine
  }

  login(host: string, name: string, password: string): Promise<Outcome> {
    return outcome(this.#engine.docker('login', '-u', name, '-p', password, host))
  }

  async push(host: string, repository: string): Promise<Outcome> {
    const name = `${host}/${repository}:1`
    await this.#engine.docker('load', '-q', '-i', archiveOf(this.#scratch, name, repository))
    return outcome(this.#engine.docker('push', name))
  }

  async pull(host: string, repository: string): Promise<Outcome> {
    const name = `${host}/${repository}:1`
    await outcome(this.#engine.docker('image', 'rm', name))
    return outcome(this.#engine.docker('pull', name))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#engine.stop()
    this.#scratch.remove()
  }
}

/** containerd's `ctr`. It stores no logins, so this class adds the credentials to each command. */
export class Ctr implements LoginClient {
  readonly #scratch = new TempDir('longshore-client-')
  readonly #containerd: Containerd
  readonly #logins = new Map<string, string>()

  static async start(this: void): Promise<Ctr> {
    return new Ctr(await Containerd.start())
  }

  private constructor(containerd: Containerd) {
    this.#containerd = containerd
  }

  async login(host: string, name: string, password: string): Promise<Outcome> {
    this.#logins.set(host, `${name}:${password}`)
    return { ok: true, output: '' }
  }

  async push(host: string, repository: string): Promise<Outcome> {
    const base = `${host}/${repository}`
    const path = this.#scratch.join(`${repository.replaceAll('/', '-')}.tar`)
    const archive = writeLayoutArchive(path, { 1: image(repository) })
    await this.#containerd.images('import', '--base-name', base, '--no-unpack', archive)
    return outcome(this.#containerd.images('push', ...this.#flags(host), `${base}:1`))
  }

  async pull(host: string, repository: string): Promise<Outcome> {
    const name = `${host}/${repository}:1`
    await outcome(this.#containerd.images('rm', '--sync', name))
    return outcome(this.#containerd.images('pull', ...this.#flags(host), '--snapshotter', 'native', name))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#containerd.stop()
    this.#scratch.remove()
  }

  #flags(host: string): string[] {
    const login = this.#logins.get(host)
    return ['--plain-http', ...(login ? ['--user', login] : [])]
  }
}

function archiveOf(scratch: TempDir, name: string, seed: string): string {
  const path = scratch.join(`${seed.replaceAll('/', '-')}.tar`)
  const layers = [0, 1].map(at => tar(tarFile(`${at}.bin`, randomBytesOf(`${seed}-${at}`, 20_000))))
  writeDockerArchive(path, name, layers)
  return path
}

async function outcome(command: Promise<string>): Promise<Outcome> {
  try {
    return { ok: true, output: await command }
  } catch (error) {
    return { ok: false, output: String(error) }
  }
}
