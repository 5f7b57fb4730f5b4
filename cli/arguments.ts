import { InvalidArgumentError } from 'commander'
import { ClientError } from '../lambda/client/client-error.ts'
import { type Platform, parsePlatform } from '../lambda/client/content.ts'
import { type ImageName, parseImageName } from '../lambda/client/image-name.ts'
import { RegistryError } from '../lambda/protocol/errors.ts'
import { parseRepositoryName } from '../lambda/protocol/name.ts'
import { parseTag } from '../lambda/protocol/reference.ts'
import { parseDuration } from '../lambda/util/duration.ts'

/*
 * Parsers of arguments and option values. Each throws InvalidArgumentError. Commander reports it after the name of the argument and its
 * value.
 */

export function nonEmpty(text: string): string {
  if (text !== '') return text
  throw new InvalidArgumentError('It must not be empty.')
}

export function commaList(text: string): string[] {
  return text.split(',').filter(Boolean)
}

/** @returns `{ key: value }` for `key=value,...` */
export function pairs(text: string): Record<string, string> {
  return Object.fromEntries(
    commaList(text).map(pair => {
      const [, name, value] = /^([^=]+)=(.*)$/s.exec(pair) ?? []
      if (name === undefined || value === undefined)
        throw new InvalidArgumentError('It must be a list such as repository=acme/app,ref=main.')
      return [name, value]
    }),
  )
}

/** Converts a duration to the expiry of a key that is created now. @returns ISO 8601 */
export function expiry(text: string): string {
  const duration = parseDuration(text)
  if (duration === undefined) throw new InvalidArgumentError('It must be a duration such as 720h.')
  return new Date(Date.now() + duration).toISOString()
}

export function repositoryName(text: string): string {
  return valid(() => parseRepositoryName(text), 'It must be a repository name such as team/app.')
}

/** Parses `<repository>:<tag>`. */
export function taggedName(text: string): { repository: string; tag: string } {
  const [, repository = '', tag = ''] = /^([^:]*):(.*)$/s.exec(text) ?? []
  return valid(
    () => ({ repository: parseRepositoryName(repository), tag: parseTag(tag) }),
    'It must be a repository and a tag such as team/app:v1.',
  )
}

/** An image in a registry. */
export function imageName(text: string): ImageName {
  return validForClient(() => parseImageName(text))
}

/** Of an argument that may be repeated. */
export function imageNames(text: string, before: readonly ImageName[] = []): readonly ImageName[] {
  return [...before, imageName(text)]
}

export function platform(text: string): Platform {
  return validForClient(() => parsePlatform(text))
}

export function platformOrAll(text: string): Platform | 'all' {
  return text === 'all' ? 'all' : platform(text)
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
}

/** @returns bytes */
export function byteSize(text: string): number {
  const [, digits = '', unit = ''] = /^(\d+(?:\.\d+)?) ?([KMGT]i?B|)$/i.exec(text) ?? []
  const factor = UNITS[unit.toUpperCase()]
  if (digits !== '' && factor !== undefined) return Math.round(Number(digits) * factor)
  throw new InvalidArgumentError('It must be a size such as 500MB or 20GB.')
}

/** Where a server listens: a port, or an address and a port. */
export interface ListenAddress {
  /** Without the brackets of IPv6. */
  readonly host: string
  readonly port: number
}

export function listenAddress(text: string): ListenAddress {
  const [, bracketed, plain, digits = ''] = /^(?:(?:\[([^\]]+)\]|([^:[\]]+)):)?(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  if (digits !== '' && port <= 65_535) return { host: bracketed ?? plain ?? '127.0.0.1', port }
  throw new InvalidArgumentError('It must be an address and a port such as 127.0.0.1:5555.')
}

function validForClient<T>(parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (!(error instanceof ClientError)) throw error
    throw new InvalidArgumentError(error.message)
  }
}

function valid<T>(parse: () => T, message: string): T {
  try {
    return parse()
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error
    throw new InvalidArgumentError(message)
  }
}
