import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import * as v from 'valibot'
import { isPatternList } from '../lambda/auth/policy/glob.ts'
import { parseDuration } from '../lambda/util/duration.ts'
import about from '../package.json' with { type: 'json' }
import { proxyList } from './forwarded.ts'
import { errorReason, StartError } from './start-error.ts'

function isProxyList(entries: readonly string[]): boolean {
  try {
    proxyList(entries)
    return true
  } catch {
    return false
  }
}

interface Setting {
  /** What `--help` shows in place of a value. */
  readonly value: string
  /** As a user would write it. Absent: unset unless given. */
  readonly fallback?: string
  readonly meaning: string
  /** A secret: it has no flag, which every user of the machine could read in the list of processes. */
  readonly secret?: true
  readonly schema: v.GenericSchema<string, unknown>
}

const duration = v.pipe(
  v.string(),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const ms = parseDuration(dataset.value)
    if (ms !== undefined) return ms
    addIssue({ message: 'is no duration such as 24h, 30m or 10s' })
    return NEVER
  }),
)

const port = v.pipe(
  v.string(),
  v.regex(/^\d{1,5}$/, 'is no port number from 0 to 65535'),
  v.transform(Number),
  v.maxValue(65_535, 'is no port number from 0 to 65535'),
)

const origin = v.pipe(
  v.string(),
  v.regex(/^https?:\/\/[^/?#@\s]+\/?$/i, 'is no origin such as https://registry.example.com'),
  v.check(URL.canParse, 'is no origin such as https://registry.example.com'),
  v.transform(text => new URL(text).origin),
)

/** Every setting: the parser, `--help` and the type {@link Config} all come from here. */
const SETTINGS = {
  port: {
    value: '<number>',
    fallback: '5000',
    meaning: 'port to listen on, 0 for any free one',
    schema: port,
  },
  host: {
    value: '<address>',
    fallback: '127.0.0.1',
    meaning: 'address to listen on, 0.0.0.0 for all',
    schema: v.string(),
  },
  data: {
    value: '<folder>',
    fallback: './data',
    meaning: 'where everything is kept',
    schema: v.pipe(
      v.string(),
      v.transform(path => resolve(path)),
    ),
  },
  origin: { value: '<url>', meaning: 'public origin, for absolute URLs in answers', schema: origin },
  trustedProxies: {
    value: '<list>',
    meaning: 'proxies whose X-Forwarded-* is believed',
    schema: v.pipe(
      v.string(),
      v.transform(text => text.split(',').map(entry => entry.trim())),
      v.check(
        (entries: string[]) => isProxyList(entries),
        'must be addresses or CIDRs with commas, such as 10.0.0.0/8,::1',
      ),
    ),
  },
  corsOrigins: {
    value: '<list>',
    meaning: 'origins whose pages may use the registry',
    schema: v.pipe(
      v.string(),
      v.transform(text => text.split(',').map(entry => entry.trim())),
      v.array(origin, 'must be origins separated by commas, such as https://ui.example.com'),
    ),
  },
  auth: {
    value: '<mode>',
    fallback: 'auto',
    meaning: 'auto: logins once there are accounts; open',
    schema: v.picklist(['auto', 'open'], 'is neither auto nor open'),
  },
  adminPassword: {
    value: '',
    meaning: 'makes the first account, admin',
    secret: true,
    schema: v.string(),
  },
  adminPasswordFile: {
    value: '<file>',
    meaning: 'the same, from a file',
    schema: v.string(),
  },
  awsAccounts: {
    value: '<ids>',
    meaning: 'AWS accounts that may log in, with commas',
    schema: v.pipe(
      v.string(),
      v.regex(/^\d{12}(,\d{12})*$/, 'is no list of account ids with commas'),
      v.transform(text => text.split(',')),
    ),
  },
  issuers: {
    value: '<file>',
    meaning: 'whose ID tokens are good (docs/access.md)',
    schema: v.string(),
  },
  stsEndpoint: { value: '<url>', meaning: 'another STS than that of AWS, for tests', schema: origin },
  tlsCert: { value: '<file>', meaning: 'certificate chain in PEM; serves https', schema: v.string() },
  tlsKey: { value: '<file>', meaning: 'private key of the certificate in PEM', schema: v.string() },
  log: {
    value: '<format>',
    fallback: 'auto',
    meaning: 'json, text, or auto: text on a terminal',
    schema: v.picklist(['auto', 'json', 'text'], 'is none of auto, json and text'),
  },
  grace: {
    value: '<duration>',
    fallback: '24h',
    meaning: 'how long unreferenced bytes are kept',
    schema: duration,
  },
  sparse: {
    value: '<patterns>',
    meaning: 'repositories that take incomplete images',
    schema: v.pipe(
      v.string(),
      v.check(isPatternList, 'must be repository patterns with commas, such as mirror/**,cache/*'),
      v.transform(text => text.split(',')),
    ),
  },
  shutdown: {
    value: '<duration>',
    fallback: '10s',
    meaning: 'how long a stop waits for requests in flight',
    schema: duration,
  },
} as const satisfies Record<string, Setting>

type Name = keyof typeof SETTINGS
type Value<N extends Name> = v.InferOutput<(typeof SETTINGS)[N]['schema']>
type Optional = { [N in Name]: (typeof SETTINGS)[N] extends { fallback: string } ? never : N }[Name]

/** What the server was told. Durations are milliseconds, `data` is absolute. */
export type Config = { readonly [N in Exclude<Name, Optional>]: Value<N> } & {
  readonly [N in Optional]?: Value<N>
} & {
  /** Consent to an empty database beside files of an earlier one. A flag only: it is meant for one start. */
  readonly newTable?: boolean
}

/** What a command line asks for: to serve, or only to be told something. */
export type Command = { readonly serve: Config } | { readonly print: string }

/**
 * Reads flags, then the environment, then defaults. An empty variable counts as unset.
 * @throws {StartError} of kind `usage`, naming the flag or the variable that is wrong
 */
export function readCommand(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Command {
  const flags = parseFlags(args)
  if (flags.help) return { print: help() }
  if (flags.version) return { print: about.version }
  const config: Record<string, unknown> = {}
  for (const [name, setting] of entries()) {
    const flag = flags[flagOf(name)]
    const text = flag ?? (env[variableOf(name)] || setting.fallback)
    if (text === undefined) continue
    const parsed = v.safeParse(setting.schema, text)
    if (!parsed.success || text === '') {
      const source = flag === undefined ? variableOf(name) : `--${flagOf(name)}`
      const shown = setting.secret ? 'the value' : `"${text}"`
      throw new StartError('usage', `${source}: ${shown} ${parsed.issues?.[0].message ?? 'is empty'}`)
    }
    config[name] = parsed.output
  }
  if ((config.tlsCert === undefined) !== (config.tlsKey === undefined))
    throw new StartError('usage', 'TLS needs both --tls-cert and --tls-key')
  if (config.adminPassword !== undefined && config.adminPasswordFile !== undefined)
    throw new StartError('usage', 'set LONGSHORE_ADMIN_PASSWORD or --admin-password-file, not both')
  if ((config.awsAccounts ?? config.issuers) !== undefined && config.origin === undefined)
    throw new StartError(
      'usage',
      '--aws-accounts and --issuers need --origin: those logins are for one registry, and must know which it is',
    )
  return { serve: { ...(config as Config), ...(flags['new-table'] === true && { newTable: true }) } }
}

function parseFlags(args: readonly string[]): Record<string, string | boolean | undefined> {
  const settings = entries()
    .filter(([, { secret }]) => !secret)
    .map(([name]) => [flagOf(name), { type: 'string' }] as const)
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        ...Object.fromEntries(settings),
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean' },
        'new-table': { type: 'boolean' },
      },
    })
    return values
  } catch (error) {
    const [sentence] = errorReason(error).split('. ')
    throw new StartError('usage', `${sentence?.replace(/\.$/, '')} (--help lists what there is)`)
  }
}

function help(): string {
  const rows = entries().map(([name, { value, meaning, fallback, secret }]) => [
    secret ? '' : `--${flagOf(name)} ${value}`,
    variableOf(name),
    fallback ? `${meaning} (${fallback})` : meaning,
  ])
  rows.push(['--new-table', '', 'begin anew where registry.sqlite is missing'])
  rows.push(['--help', '', 'show this'], ['--version', '', 'show the version'])
  const widths = [0, 1].map(column => Math.max(...rows.map(row => row[column]?.length ?? 0)))
  const lines = rows.map(row => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '))
  return [
    'Usage: npm start -- [flags]',
    '',
    'Serves a container registry from one folder. A flag wins over its variable.',
    '',
    ...lines.map(line => `  ${line}`),
  ].join('\n')
}

function entries(): [Name, Setting][] {
  return Object.entries(SETTINGS) as [Name, Setting][]
}

/** `tlsCert` is `--tls-cert` ... */
function flagOf(name: Name): string {
  return name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
}

/** ... and `LONGSHORE_TLS_CERT`. */
function variableOf(name: Name): string {
  return `LONGSHORE_${flagOf(name).replaceAll('-', '_').toUpperCase()}`
}
