import { parseArgs } from 'node:util'
import * as v from 'valibot'
import about from '../package.json' with { type: 'json' }
import { helpText } from './help.ts'
import { type Config, flagOf, settingEntries, variableOf } from './settings.ts'
import { errorReason, StartError } from './start-error.ts'

export type { Config } from './settings.ts'

/** What a command line requests: to run the server, or to print a text, such as the help. */
export type Command = { readonly serve: Config } | { readonly print: string }

/**
 * Reads the settings. A flag overrides its environment variable, which overrides the default. An empty variable counts
 * as unset.
 * @throws {StartError} of kind `usage` that names the invalid flag or variable
 */
export function readCommand(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Command {
  const flags = parseFlags(args)
  if (flags.help) return { print: helpText() }
  if (flags.version) return { print: about.version }
  const config: Record<string, unknown> = {}
  for (const [name, setting] of settingEntries()) {
    const flag = flags[flagOf(name)]
    const text = flag ?? (env[variableOf(name)] || setting.fallback)
    if (text === undefined) continue
    const parsed = v.safeParse(setting.schema, text)
    if (!parsed.success || text === '') {
      const source = flag === undefined ? variableOf(name) : `--${flagOf(name)}`
      const shown = setting.secret ? 'the value' : `"${text}"`
      throw new StartError(
        'usage',
        `${source}: ${shown} ${parsed.issues?.[0].message ?? 'must not be empty'}`,
      )
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
      '--aws-accounts and --issuers need --origin: such a login is valid for one registry only, identified by its origin',
    )
  return { serve: { ...(config as Config), ...(flags['new-table'] === true && { newTable: true }) } }
}

function parseFlags(args: readonly string[]): Record<string, string | boolean | undefined> {
  const settings = settingEntries()
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
    throw new StartError('usage', `${sentence?.replace(/\.$/, '')} (--help lists the flags)`)
  }
}
