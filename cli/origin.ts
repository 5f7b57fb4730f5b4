import { Failure } from './failure.ts'

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/

/**
 * Where a registry answers, of a host as in the name of an image, or of an origin. Like Docker, which asks this machine without TLS.
 * @throws {Failure} for what is neither
 */
export function originOf(registry: string): string {
  const given = /^https?:\/\//.test(registry) ? registry : `${schemeFor(registry)}://${registry}`
  if (!/^https?:\/\/[^/?#@\s]*[^/?#@\s:]\/?$/.test(given) || !URL.canParse(given))
    throw new Failure(`"${registry}" is no registry such as registry.example or https://registry.example`, 2)
  return new URL(given).origin
}

/** The host of a registry, as it is in the names of images; a path behind it, as Docker's helpers are given, does not count. @throws {Failure} */
export function hostOf(registry: string): string {
  const [, withoutPath = ''] = /^((?:https?:\/\/)?[^/]*)/.exec(registry) ?? []
  return new URL(originOf(withoutPath)).host
}

function schemeFor(host: string): 'http' | 'https' {
  return LOOPBACK.test(host) ? 'http' : 'https'
}
