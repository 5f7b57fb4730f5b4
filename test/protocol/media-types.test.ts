import fc from 'fast-check'
import { expect, it } from 'vitest'
import { essence, isForeignLayer, manifestMediaTypes, shapeOf } from '../../lambda/protocol/media-types.ts'
import { anyText } from '../support/arbitraries.ts'
import { LAYER } from '../support/content.ts'

it.each([
  ['application/json', 'application/json'],
  ['Application/JSON; charset=utf-8', 'application/json'],
  [' a/b ;x', 'a/b'],
  ['', ''],
  [';', ''],
])('the essence of %j is %j', (header, expected) => {
  expect(essence(header)).toBe(expected)
})

it('the essence of an essence is the same', () => {
  fc.assert(fc.property(anyText, text => essence(essence(text)) === essence(text)))
})

it('every media type of a manifest has a shape', () => {
  for (const mediaType of manifestMediaTypes()) expect(shapeOf(mediaType)).toBeDefined()
})

it.each(['', 'application/json', LAYER, 'constructor', '__proto__', 'toString'])(
  '%j has no shape',
  mediaType => {
    expect(shapeOf(mediaType)).toBeUndefined()
  },
)

it.each([
  ['application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', true],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar', true],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', true],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar+zstd', true],
  [LAYER, false],
  ['', false],
])('%s is foreign: %s', (mediaType, foreign) => {
  expect(isForeignLayer(mediaType)).toBe(foreign)
})
