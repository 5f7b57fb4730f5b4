import type { Brand } from './brand.ts'
import { RegistryError } from './errors.ts'

/**
 * A repository name as the distribution spec defines it ("Pulling manifests"): lower-case path components, 255
 * characters at most.
 */
export type RepositoryName = Brand<string, 'RepositoryName'>

const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const NAME = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`)
const MAX_LENGTH = 255

/** @throws {RegistryError} NAME_INVALID */
export function parseRepositoryName(text: string): RepositoryName {
  if (text.length > MAX_LENGTH || !NAME.test(text))
    throw new RegistryError('NAME_INVALID', {
      message: `invalid repository name: it must have at most ${MAX_LENGTH} characters: a-z and 0-9, separated by . _ - or /`,
      detail: { name: text.slice(0, MAX_LENGTH) },
    })
  return text as RepositoryName
}
