import fc from 'fast-check'
import { expect, it } from 'vitest'
import { accepts } from '../../lambda/protocol/accept.ts'
import { manifestMediaTypes, OCI_IMAGE, OCI_INDEX } from '../../lambda/protocol/media-types.ts'
import { anyText } from '../support/arbitraries.ts'
import { DOCKER_IMAGE } from '../support/content.ts'

it.each([
  ['no header', undefined],
  ['an empty one', ' '],
  ['the type itself', OCI_IMAGE],
  ['the type among others', `${DOCKER_IMAGE}, ${OCI_IMAGE}`],
  ['the type in other case', OCI_IMAGE.toUpperCase()],
  ['the type with a weight', `${OCI_IMAGE};q=0.1`],
  ['the type with a weight that is small but more than nothing', `${OCI_IMAGE}; q=0.001`],
  ['any application type', 'application/*'],
  ['any type', 'text/html, */*;q=0.8'],
  ['a refusal of another', `${OCI_INDEX};q=0, */*`],
])('allows it: %s', (_, header) => {
  expect(accepts(header, OCI_IMAGE)).toBe(true)
})

it.each([
  ['another type', OCI_INDEX],
  ['JSON', 'application/json'],
  ['another family of types', 'text/*'],
  ['the type refused', `${OCI_IMAGE};q=0`],
  ['the type refused, though any other will do', `*/*, ${OCI_IMAGE}; q=0.000`],
  ['the family refused, though any other will do', '*/*, application/*;q=0'],
  ['a part of the type', 'application/vnd.oci.image'],
])('does not allow it: %s', (_, header) => {
  expect(accepts(header, OCI_IMAGE)).toBe(false)
})

it('allows what is listed, wherever it stands', () => {
  const types = fc.shuffledSubarray(manifestMediaTypes(), { minLength: 1 })
  fc.assert(
    fc.property(types, fc.constantFrom(...manifestMediaTypes()), (listed, type) => {
      expect(accepts(listed.join(','), type)).toBe(listed.includes(type))
    }),
  )
})

it('makes something of any text', () => {
  fc.assert(fc.property(anyText, text => typeof accepts(text, OCI_IMAGE) === 'boolean'))
})
