import { execFile } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import * as v from 'valibot'
import { Failure } from './failure.ts'

/** What Docker tells a program that keeps secrets in place of a name, when the secret is a refresh token. */
const IS_TOKEN = '<token>'

export interface Login {
  readonly user: string
  readonly password: string
}

const Config = v.looseObject({
  auths: v.optional(
    v.record(
      v.string(),
      v.looseObject({ auth: v.optional(v.string()), identitytoken: v.optional(v.string()) }),
    ),
  ),
  /** Program for all registries, `docker-credential-<it>`; */
  credsStore: v.optional(v.string()),
  /** and for single ones. */
  credHelpers: v.optional(v.record(v.string(), v.string())),
})
type Config = v.InferOutput<typeof Config>

/**
 * Docker's configuration, in which podman, buildah, skopeo, crane, oras, helm and others look for logins too. Where it names a program that keeps
 * secrets, that is asked; else they are in the file, as Docker itself writes it.
 */
export class DockerConfig {
  readonly #folder: string
  constructor(environment: Readonly<Record<string, string | undefined>> = process.env) {
    this.#folder = environment.DOCKER_CONFIG || join(homedir(), '.docker')
  }

  get path(): string {
    return join(this.#folder, 'config.json')
  }

  /**
   * @param host as in the names of images
   * @throws {Failure} where Docker has kept a refresh token, as it does when its own command logs in: accounts want the password
   */
  async find(host: string): Promise<Login | undefined> {
    const { auths = {}, ...config } = this.#read()
    const helper = helperOf(config, host)
    const kept = helper ? await askHelper(helper, host) : undefined
    if (kept?.user === IS_TOKEN || auths[host]?.identitytoken)
      throw new Failure(
        `docker login has kept a token for ${host}, no password: log in by longshore login ${host}`,
      )
    if (helper) return kept
    const [, user, password] = /^([^:]+):(.*)$/s.exec(decode(auths[host]?.auth)) ?? []
    return user && password !== undefined ? { user, password } : undefined
  }

  async save(host: string, { user, password }: Login): Promise<void> {
    const { auths = {}, credHelpers = {}, ...config } = this.#read()
    const { [host]: own, ...others } = credHelpers
    const helper = own === 'longshore' ? config.credsStore : helperOf({ ...config, credHelpers }, host)
    if (helper)
      await runHelper(helper, 'store', JSON.stringify({ ServerURL: host, Username: user, Secret: password }))
    const auth = helper ? {} : { auth: Buffer.from(`${user}:${password}`).toString('base64') }
    this.#write({
      ...config,
      auths: { ...auths, [host]: auth },
      credHelpers: own === 'longshore' ? others : credHelpers,
    })
  }

  /** From now on the program is asked for the login, each time. */
  useHelper(host: string, helper: string): void {
    const { auths = {}, credHelpers = {}, ...config } = this.#read()
    const { [host]: _, ...others } = auths
    this.#write({ ...config, auths: others, credHelpers: { ...credHelpers, [host]: helper } })
  }

  async forget(host: string): Promise<void> {
    const { auths = {}, credHelpers = {}, ...config } = this.#read()
    const helper = helperOf({ ...config, credHelpers }, host)
    if (helper && helper !== 'longshore') await runHelper(helper, 'erase', host)
    const { [host]: _, ...otherAuths } = auths
    const { [host]: __, ...otherHelpers } = credHelpers
    this.#write({ ...config, auths: otherAuths, credHelpers: otherHelpers })
  }

  #read(): Config {
    let text: string
    try {
      text = readFileSync(this.path, 'utf8')
    } catch {
      return {}
    }
    const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), Config), text)
    if (parsed.success) return parsed.output
    throw new Failure(`${this.path} is not what Docker writes, and is left as it is`)
  }

  /** Whole or not at all, and for nobody else to read. */
  #write({ auths = {}, credHelpers = {}, ...config }: Config): void {
    const some = (record: object) => Object.keys(record).length > 0
    const kept = { ...config, ...(some(auths) && { auths }), ...(some(credHelpers) && { credHelpers }) }
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
    const passing = `${this.path}.longshore`
    writeFileSync(passing, `${JSON.stringify(kept, null, '\t')}\n`, { mode: 0o600 })
    chmodSync(passing, 0o600)
    renameSync(passing, this.path)
  }
}

function helperOf({ credHelpers = {}, credsStore }: Config, host: string): string | undefined {
  return credHelpers[host] || credsStore || undefined
}

function decode(auth = ''): string {
  return Buffer.from(auth, 'base64').toString()
}

const Kept = v.object({ Username: v.string(), Secret: v.string() })

/** What a program does not know it says by failing. */
async function askHelper(helper: string, host: string): Promise<Login | undefined> {
  const said = await runHelper(helper, 'get', host).catch(() => '')
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), Kept), said)
  return parsed.success ? { user: parsed.output.Username, password: parsed.output.Secret } : undefined
}

async function runHelper(helper: string, verb: string, input: string): Promise<string> {
  if (!/^[\w.-]+$/.test(helper))
    throw new Failure(`"${helper}" in Docker's configuration is no name of a program`)
  const running = promisify(execFile)(`docker-credential-${helper}`, [verb])
  running.child.stdin?.end(input)
  try {
    return (await running).stdout
  } catch {
    // What it was given is not repeated.
    throw new Failure(`docker-credential-${helper} ${verb} failed`)
  }
}
