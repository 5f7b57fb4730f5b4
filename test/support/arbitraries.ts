import fc from 'fast-check'
import { digestOf } from '../../lambda/protocol/digest.ts'

/** Words in the paths of the API. They are also valid in the names of repositories. */
const PATH_WORDS = ['v2', 'blobs', 'uploads', 'manifests', 'tags', 'list', 'referrers', 'latest']

const alphanumerics = fc.string({ unit: fc.constantFrom(...'az09'), minLength: 1, maxLength: 5 })
const separator = fc.constantFrom('.', '_', '__', '-', '--', '----')

const component = fc.oneof(
  fc.constantFrom(...PATH_WORDS),
  fc
    .tuple(alphanumerics, fc.array(fc.tuple(separator, alphanumerics), { maxLength: 2 }))
    .map(([first, rest]) => first + rest.flat().join('')),
)

/** Valid names of repositories. */
export const repositoryName = fc
  .array(component, { minLength: 1, maxLength: 6 })
  .map(components => components.join('/'))

const TAG_START = 'aZ09_'

/** Valid tags. */
export const tag = fc
  .tuple(
    fc.constantFrom(...TAG_START),
    fc.string({ unit: fc.constantFrom(...TAG_START, '.', '-'), maxLength: 127 }),
  )
  .map(([first, rest]) => first + rest)

const hex = (length: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: length, maxLength: length })

/** Valid digests. */
export const anyDigest = fc.oneof(
  hex(64).map(text => digestOf('sha256', text)),
  hex(128).map(text => digestOf('sha512', text)),
)

export const uploadId = fc.uuid()

/** Any text, often with the separators of paths and headers. */
export const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom(...'a/:.-_%#"<>=, 0\n\0é') }),
)
