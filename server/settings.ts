import { resolve } from 'node:path'
import * as v from 'valibot'
import { isPatternList } from '../lambda/auth/policy/glob.ts'
import { parseDuration } from '../lambda/util/duration.ts'
import { proxyList } from './forwarded.ts'

function isProxyList(entries: readonly string[]): boolean {
  try {
    proxyList(entries)
    return true
  } catch {
    return false
  }
}

export interface Setting {
  /** The placeholder that `--help` shows for the value. */
  readonly value: string
  /** The default, in the form that a user writes. Without one, the setting is optional. */
  readonly fallback?: string
  readonly meaning: string
  /** A secret has no flag: every user of the machine can read flags in the list of processes. */
  readonly secret?: true
  readonly schema: v.GenericSchema<string, unknown>
}

const duration = v.pipe(
  v.string(),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const ms = parseDuration(dataset.value)
    if (ms !== undefined) return ms
    addIssue({ message: 'must be a duration such as 24h, 30m or 10s' })
    return NEVER
  }),
)

const port = v.pipe(
  v.string(),
  v.regex(/^\d{1,5}$/, 'must be a port number from 0 to 65535'),
  v.transform(Number),
  v.maxValue(65_535, 'must be a port number from 0 to 65535'),
)

const origin = v.pipe(
  v.string(),
  v.regex(/^https?:\/\/[^/?#@\s]+\/?$/i, 'must be an origin such as https://registry.example.com'),
  v.check(URL.canParse, 'must be an origin such as https://registry.example.com'),
  v.transform(text => new URL(text).origin),
)

/** All settings. The parser, `--help` and the type {@link Config} are derived from this table. */
const SETTINGS = {
  port: {
    value: '<number>',
    fallback: '5000',
    meaning: 'port to listen on, 0 for any free port',
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
    meaning: 'folder for all data',
    schema: v.pipe(
      v.string(),
      v.transform(path => resolve(path)),
    ),
  },
  origin: { value: '<url>', meaning: 'public origin, for absolute URLs in responses', schema: origin },
  trustedProxies: {
    value: '<list>',
    meaning: 'proxies whose X-Forwarded-* is trusted',
    schema: v.pipe(
      v.string(),
      v.transform(text => text.split(',').map(entry => entry.trim())),
      v.check(
        (entries: string[]) => isProxyList(entries),
        'must be addresses or CIDRs separated by commas, such as 10.0.0.0/8,::1',
      ),
    ),
  },
  corsOrigins: {
    value: '<list>',
    meaning: 'origins of web pages that may use the registry',
    schema: v.pipe(
      v.string(),
      v.transform(text => text.split(',').map(entry => entry.trim())),
      v.array(origin, 'must be origins separated by commas, such as https://ui.example.com'),
    ),
  },
  auth: {
    value: '<mode>',
    fallback: 'auto',
    meaning: 'auto: logins once there are accounts; open: none',
    schema: v.picklist(['auto', 'open'], 'must be auto or open'),
  },
  adminPassword: {
    value: '',
    meaning: 'password of the first account, admin',
    secret: true,
    schema: v.string(),
  },
  adminPasswordFile: {
    value: '<file>',
    meaning: 'file with the password of the first account',
    schema: v.string(),
  },
  awsAccounts: {
    value: '<ids>',
    meaning: 'AWS accounts that may log in, separated by commas',
    schema: v.pipe(
      v.string(),
      v.regex(
        /^\d{12}(,\d{12})*$/,
        'must be 12-digit account ids separated by commas, such as 111122223333,444455556666',
      ),
      v.transform(text => text.split(',')),
    ),
  },
  issuers: {
    value: '<file>',
    meaning: 'trusted issuers of ID tokens (docs/access.md)',
    schema: v.string(),
  },
  stsEndpoint: { value: '<url>', meaning: 'STS endpoint to use in place of AWS, for tests', schema: origin },
  tlsCert: { value: '<file>', meaning: 'certificate chain in PEM; serves https', schema: v.string() },
  tlsKey: { value: '<file>', meaning: 'private key of the certificate in PEM', schema: v.string() },
  log: {
    value: '<format>',
    fallback: 'auto',
    meaning: 'json, text, or auto: text on a terminal',
    schema: v.picklist(['auto', 'json', 'text'], 'must be auto, json or text'),
  },
  grace: {
    value: '<duration>',
    fallback: '24h',
    meaning: 'grace period: how long unreferenced blobs are kept',
    schema: duration,
  },
  sparse: {
    value: '<patterns>',
    meaning: 'repositories that accept incomplete images',
    schema: v.pipe(
      v.string(),
      v.check(isPatternList, 'must be repository patterns separated by commas, such as mirror/**,cache/*'),
      v.transform(text => text.split(',')),
    ),
  },
  shutdown: {
    value: '<duration>',
    fallback: '10s',
    meaning: 'how long a stop waits for requests in progress',
    schema: duration,
  },
} as const satisfies Record<string, Setting>

export type SettingName = keyof typeof SETTINGS
type Value<N extends SettingName> = v.InferOutput<(typeof SETTINGS)[N]['schema']>
type Optional = {
  [N in SettingName]: (typeof SETTINGS)[N] extends { fallback: string } ? never : N
}[SettingName]

/** The values of the settings. Durations are milliseconds, and `data` is an absolute path. */
export type Config = { readonly [N in Exclude<SettingName, Optional>]: Value<N> } & {
  readonly [N in Optional]?: Value<N>
} & {
  /**
   * Allows a new database in a folder with files of an earlier one. It has no variable, because it is for a single
   * start.
   */
  readonly newTable?: boolean
}

/** All settings, in the order of `--help`. */
export function settingEntries(): [SettingName, Setting][] {
  return Object.entries(SETTINGS) as [SettingName, Setting][]
}

/** The flag of a setting, without its dashes: `tlsCert` is `tls-cert`. */
export function flagOf(name: SettingName): string {
  return name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
}

/** The environment variable of a setting: `tlsCert` is `LONGSHORE_TLS_CERT`. */
export function variableOf(name: SettingName): string {
  return `LONGSHORE_${flagOf(name).replaceAll('-', '_').toUpperCase()}`
}
