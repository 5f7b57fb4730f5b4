import { CliError } from './cli-error.ts'

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/

/**
 * The origin of a registry that is named by a host, as in image names, or by an origin. Like Docker it uses no TLS for this machine.
 * @throws {CliError} for anything else
 */
export function originOf(registry: string): string {
  const given = /^https?:\/\//.test(registry) ? registry : `${schemeFor(registry)}://${registry}`
  if (!/^https?:\/\/[^/?#@\s]*[^/?#@\s:]\/?$/.test(given) || !URL.canParse(given))
    throw new CliError(
      `"${registry}" must be a registry such as registry.example or https://registry.example`,
      2,
    )
  return new URL(given).origin
}

/** The host of a registry, as in image names. A path after it, as Docker gives to credential helpers, is ignored. @throws {CliError} */
export function hostOf(registry: string): string {
  const [, withoutPath = ''] = /^((?:https?:\/\/)?[^/]*)/.exec(registry) ?? []
  return new URL(originOf(withoutPath)).host
}

function schemeFor(host: string): 'http' | 'https' {
  return LOOPBACK.test(host) ? 'http' : 'https'
}
