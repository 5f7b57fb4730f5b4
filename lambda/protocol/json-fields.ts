import { RegistryError } from './errors.ts'

/** A JSON object that a client sent. Its values are not checked. */
export type Fields = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * A field of text. `null` counts as absent.
 * @param path the name of the field in error messages.
 * @throws {RegistryError} MANIFEST_INVALID
 */
export function text(fields: Fields, field: string, path = field): string | undefined {
  const value = fields[field]
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string') throw invalid(`${path} must be a string`)
  return value
}

/**
 * An object whose values are all text: annotations. `null` counts as absent.
 * @throws {RegistryError} MANIFEST_INVALID
 */
export function textMap(value: unknown, path: string): Readonly<Record<string, string>> | undefined {
  if (value === undefined || value === null) return undefined
  if (!isObject(value)) throw invalid(`${path} must be an object`)
  for (const [name, annotation] of Object.entries(value))
    if (typeof annotation !== 'string')
      throw invalid(`${path.replace(/annotations$/, 'annotation')} ${name} must be a string`)
  return value as Readonly<Record<string, string>>
}

/** MANIFEST_INVALID. @param rule what is wrong and what is allowed. It becomes the message that clients show */
export function invalid(rule: string, more: Fields = {}, cause?: unknown): RegistryError {
  return new RegistryError('MANIFEST_INVALID', { detail: { rule, ...more }, cause })
}

/** Maps the lower-case form of each field name to its spelling. */
export function spellings(...fields: string[]): ReadonlyMap<string, string> {
  return new Map(fields.map(field => [field.toLowerCase(), field]))
}

/**
 * Go's JSON decoder, and so most clients, reads `Layers` as `layers` and `Digest` as `digest`. Clients would disagree
 * about such a document (CVE-2021-41190).
 * @param path prefix of field names in error messages
 * @throws {RegistryError} MANIFEST_INVALID
 */
export function rejectLookalikes(fields: Fields, known: ReadonlyMap<string, string>, path = ''): void {
  for (const field of Object.keys(fields)) {
    const spelling = known.get(field.toLowerCase())
    if (spelling !== undefined && spelling !== field)
      throw invalid(`the field ${path}${field} must be spelled ${spelling}`)
  }
}
