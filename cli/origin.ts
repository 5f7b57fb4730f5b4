import { CliError } from './cli-error.ts'

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/

/**
 * The origin of a registry. Like Docker, it does not use TLS for this machine.
 * @param registry a host, as in image names, or an origin
 * @throws {CliError} for anything else
 */
export function registryOrigin(registry: string): string {
  const url = /^https?:\/\//.test(registry) ? registry : `${schemeFor(registry)}://${registry}`
  if (!/^https?:\/\/[^/?#@\s]*[^/?#@\s:]\/?$/.test(url) || !URL.canParse(url))
    throw new CliError(
      `"${registry}" must be a registry such as registry.example or https://registry.example`,
      2,
    )
  return new URL(url).origin
}

/**
 * The host of a registry, as in image names. A path, which Docker may send to credential helpers, is ignored.
 * @throws {CliError}
 */
export function registryHost(registry: string): string {
  const [, withoutPath = ''] = /^((?:https?:\/\/)?[^/]*)/.exec(registry) ?? []
  return new URL(registryOrigin(withoutPath)).host
}

function schemeFor(host: string): 'http' | 'https' {
  return LOOPBACK.test(host) ? 'http' : 'https'
}
