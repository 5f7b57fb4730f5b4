import { execFile } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import * as v from 'valibot'
import { CliError } from './cli-error.ts'
import type { Io } from './io.ts'
import { readText } from './text-file.ts'

/** The username that Docker stores in a credential helper if the secret is a refresh token. */
const IS_TOKEN = '<token>'

export interface Login {
  readonly user: string
  readonly password: string
}

/** An OAuth 2 token that `docker login` stores for some registries in place of a password. */
export interface StoredToken {
  readonly refreshToken: string
}

const Config = v.looseObject({
  auths: v.optional(
    v.record(
      v.string(),
      v.looseObject({ auth: v.optional(v.string()), identitytoken: v.optional(v.string()) }),
    ),
  ),
  /** Credential helper of all registries: the program `docker-credential-<name>`. */
  credsStore: v.optional(v.string()),
  /** Credential helpers of single registries, by host. */
  credHelpers: v.optional(v.record(v.string(), v.string())),
})
type Config = v.InferOutput<typeof Config>

/** The output of a credential helper for `get`. */
const HelperLogin = v.object({ Username: v.string(), Secret: v.string() })

type Environment = Pick<Io, 'env' | 'home'>

/**
 * Docker's configuration. podman, buildah, skopeo, crane, oras, helm and others read logins from it too. Like Docker, it stores a login
 * in the credential helper that the file names, or otherwise in the file itself.
 */
export class DockerConfig {
  readonly #folder: string
  readonly #env: Environment['env']
  constructor({ env, home }: Environment) {
    this.#folder = env.DOCKER_CONFIG || join(home, '.docker')
    this.#env = env
  }

  get path(): string {
    return join(this.#folder, 'config.json')
  }

  /**
   * @param host as in image names
   * @throws {CliError} if `docker login` stored a refresh token, because the API for accounts requires the password
   */
  async find(host: string): Promise<Login | undefined> {
    const stored = await this.findLogin(host)
    if (stored === undefined || 'user' in stored) return stored
    throw new CliError(
      `docker login stored a token for ${host}, not a password: run "longshore login ${host} --user <name>"`,
    )
  }

  /** @param host as in image names; Docker Hub is stored under `https://index.docker.io/v1/` */
  async findLogin(host: string): Promise<Login | StoredToken | undefined> {
    const { auths = {}, ...config } = this.#read()
    const helper = helperOf(config, host)
    const stored = helper ? await this.#getFromHelper(helper, host) : undefined
    if (stored?.user === IS_TOKEN) return { refreshToken: stored.password }
    const { auth, identitytoken } = auths[host] ?? auths[olderKey(auths, host)] ?? {}
    if (identitytoken) return { refreshToken: identitytoken }
    if (helper) return stored
    const [, user, password] = /^([^:]+):(.*)$/s.exec(decode(auth)) ?? []
    return user && password !== undefined ? { user, password } : undefined
  }

  async save(host: string, { user, password }: Login): Promise<void> {
    const { auths = {}, credHelpers = {}, ...config } = this.#read()
    const { [host]: own, ...others } = credHelpers
    const helper = own === 'longshore' ? config.credsStore : helperOf({ ...config, credHelpers }, host)
    if (helper)
      await this.#runHelper(
        helper,
        'store',
        JSON.stringify({ ServerURL: host, Username: user, Secret: password }),
      )
    const auth = helper ? {} : { auth: Buffer.from(`${user}:${password}`).toString('base64') }
    this.#write({
      ...config,
      auths: { ...auths, [host]: auth },
      credHelpers: own === 'longshore' ? others : credHelpers,
    })
  }

  /** Makes Docker get the login from a credential helper each time. */
  useHelper(host: string, helper: string): void {
    const { auths = {}, credHelpers = {}, ...config } = this.#read()
    const { [host]: _, ...others } = auths
    this.#write({ ...config, auths: others, credHelpers: { ...credHelpers, [host]: helper } })
  }

  async forget(host: string): Promise<void> {
    const { auths = {}, credHelpers = {}, ...config } = this.#read()
    const helper = helperOf({ ...config, credHelpers }, host)
    if (helper && helper !== 'longshore') await this.#runHelper(helper, 'erase', host)
    const { [host]: _, ...otherAuths } = auths
    const { [host]: __, ...otherHelpers } = credHelpers
    this.#write({ ...config, auths: otherAuths, credHelpers: otherHelpers })
  }

  #read(): Config {
    if (!existsSync(this.path)) return {}
    const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), Config), readText(this.path))
    if (parsed.success) return parsed.output
    throw new CliError(`${this.path} is not a Docker configuration; it was not changed`)
  }

  /** Replaces the file atomically. Only its owner can read it. */
  #write({ auths = {}, credHelpers = {}, ...config }: Config): void {
    const some = (record: object) => Object.keys(record).length > 0
    const document = { ...config, ...(some(auths) && { auths }), ...(some(credHelpers) && { credHelpers }) }
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
    const temporary = `${this.path}.longshore`
    writeFileSync(temporary, `${JSON.stringify(document, null, '\t')}\n`, { mode: 0o600 })
    chmodSync(temporary, 0o600)
    renameSync(temporary, this.path)
  }

  /** @returns undefined if the helper fails, as it does for an unknown host */
  async #getFromHelper(helper: string, host: string): Promise<Login | undefined> {
    const output = await this.#runHelper(helper, 'get', host).catch(() => '')
    const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), HelperLogin), output)
    return parsed.success ? { user: parsed.output.Username, password: parsed.output.Secret } : undefined
  }

  async #runHelper(helper: string, verb: string, input: string): Promise<string> {
    if (!/^[\w.-]+$/.test(helper))
      throw new CliError(`"${helper}" in ${this.path} must be the name of a credential helper`)
    const running = promisify(execFile)(`docker-credential-${helper}`, [verb], { env: { ...this.#env } })
    running.child.stdin?.on('error', () => {}) // the helper may end without reading its input
    running.child.stdin?.end(input)
    try {
      return (await running).stdout
    } catch {
      // The output of the helper is not repeated, because it may contain the secret.
      throw new CliError(`docker-credential-${helper} ${verb} failed`)
    }
  }
}

function helperOf({ credHelpers = {}, credsStore }: Config, host: string): string | undefined {
  return credHelpers[host] || credsStore || undefined
}

/** Older clients stored a login under a URL, and some still do: `https://registry.example/v1/`. */
function olderKey(auths: object, host: string): string {
  const key = Object.keys(auths).find(
    key => /^(?:https?:\/\/)?([^/]+)(?:\/(?:v[12]\/?)?)?$/.exec(key)?.[1] === host,
  )
  return key ?? ''
}

function decode(auth = ''): string {
  return Buffer.from(auth, 'base64').toString()
}
