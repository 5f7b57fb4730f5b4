import fc from 'fast-check'
import { expect, it } from 'vitest'
import { accepts } from '../../lambda/protocol/accept.ts'
import { manifestMediaTypes, OCI_IMAGE, OCI_INDEX } from '../../lambda/protocol/media-types.ts'
import { anyText } from '../support/arbitraries.ts'
import { DOCKER_IMAGE } from '../support/content.ts'

it.each([
  ['no header', undefined],
  ['an empty header', ' '],
  ['the type itself', OCI_IMAGE],
  ['the type among others', `${DOCKER_IMAGE}, ${OCI_IMAGE}`],
  ['the type in upper case', OCI_IMAGE.toUpperCase()],
  ['the type with a weight', `${OCI_IMAGE};q=0.1`],
  ['the type with a very small weight', `${OCI_IMAGE}; q=0.001`],
  ['any application type', 'application/*'],
  ['any type', 'text/html, */*;q=0.8'],
  ['another type excluded', `${OCI_INDEX};q=0, */*`],
])('allows a media type: %s', (_, header) => {
  expect(accepts(header, OCI_IMAGE)).toBe(true)
})

it.each([
  ['another type', OCI_INDEX],
  ['JSON', 'application/json'],
  ['another family of types', 'text/*'],
  ['the type excluded', `${OCI_IMAGE};q=0`],
  ['the type excluded and every other type allowed', `*/*, ${OCI_IMAGE}; q=0.000`],
  ['the family excluded and every other type allowed', '*/*, application/*;q=0'],
  ['a part of the type', 'application/vnd.oci.image'],
])('does not allow a media type: %s', (_, header) => {
  expect(accepts(header, OCI_IMAGE)).toBe(false)
})

it('allows a listed type at any position', () => {
  const types = fc.shuffledSubarray(manifestMediaTypes(), { minLength: 1 })
  fc.assert(
    fc.property(types, fc.constantFrom(...manifestMediaTypes()), (listed, type) => {
      expect(accepts(listed.join(','), type)).toBe(listed.includes(type))
    }),
  )
})

it('accepts any text as a header', () => {
  fc.assert(fc.property(anyText, text => typeof accepts(text, OCI_IMAGE) === 'boolean'))
})
