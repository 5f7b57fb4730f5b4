import { describe, expect, it } from 'vitest'
import { MAX_DESCRIPTORS, parseManifest } from '../../lambda/protocol/manifest.ts'
import { OCI_IMAGE } from '../../lambda/protocol/media-types.ts'
import { descriptorOf, type Fields, imageOf, indexOf } from '../support/content.ts'
import { ruleOf } from './rule-of.ts'

const parse = (document: string) => parseManifest(Buffer.from(document), undefined)

describe('a field of a manifest', () => {
  const good = descriptorOf('a')
  it.each<[string, Fields]>([
    ['schemaVersion must be 2', { schemaVersion: 1 }],
    ['schemaVersion must be 2', { schemaVersion: '2' }],
    ['schemaVersion must be 2', { schemaVersion: undefined }],
    ['mediaType must be a string', { mediaType: 7 }],
    ['mediaType must be a string', { mediaType: [OCI_IMAGE] }],
    ['config must be a descriptor', { config: 'sha256:abc' }],
    ['config must be a descriptor', { config: [good] }],
    ['config.digest is missing', { config: {} }],
    ['config.digest must be a string', { config: { ...good, digest: 7 } }],
    [
      'config.digest must be sha256:<64 hex digits> or sha512:<128 hex digits>, in lower case',
      { config: { ...good, digest: 'sha256:abc' } },
    ],
    [
      'config.digest must be sha256:<64 hex digits> or sha512:<128 hex digits>, in lower case',
      { config: { ...good, digest: '../../etc/passwd' } },
    ],
    ['layers must be a list', { layers: { 0: good } }],
    ['layers[1] must be a descriptor', { layers: [good, null] }],
    [
      'layers[1].digest must be sha256:<64 hex digits> or sha512:<128 hex digits>, in lower case',
      { layers: [good, { ...good, digest: good.digest.toUpperCase() }] },
    ],
    ['layers[0].mediaType must be a string', { layers: [{ ...good, mediaType: {} }] }],
    ['layers[0].artifactType must be a string', { layers: [{ ...good, artifactType: 1 }] }],
    ['layers[0].data must be a string', { layers: [{ ...good, data: {} }] }],
    ['layers[0].urls must be a list of strings', { layers: [{ ...good, urls: 'https://a.example' }] }],
    ['layers[0].urls must be a list of strings', { layers: [{ ...good, urls: [1] }] }],
    ['layers[0].platform must be an object', { layers: [{ ...good, platform: 'linux' }] }],
    ['layers[0].data must be padded base64', { layers: [{ ...good, data: '!!not base64' }] }],
    ['layers[0].data must be padded base64', { layers: [{ ...good, data: 'YQ' }] }],
    ['layers[0].data must be padded base64', { layers: [{ ...good, data: '_-8=' }] }],
    ['layers[0].platform.os must be a string', { layers: [{ ...good, platform: { os: 5 } }] }],
    [
      'layers[0].platform.os.version must be a string',
      { layers: [{ ...good, platform: { 'os.version': 10 } }] },
    ],
    [
      'layers[0].platform.os.features must be a list of strings',
      { layers: [{ ...good, platform: { 'os.features': 'win32k' } }] },
    ],
    ['layers[0].annotations must be an object', { layers: [{ ...good, annotations: [] }] }],
    ['layers[0].annotation a must be a string', { layers: [{ ...good, annotations: { a: 1 } }] }],
    ['subject must be a descriptor', { subject: good.digest }],
    ['subject.digest is missing', { subject: {} }],
    ['artifactType must be a string', { artifactType: {} }],
    ['artifactType must have at most 255 characters', { artifactType: `application/${'x'.repeat(256)}` }],
    ['config is missing', { config: null }],
    ['annotations must be an object', { annotations: ['a'] }],
    ['annotation a must be a string', { annotations: { a: 1 } }],
    ['annotation a must be a string', { annotations: { a: null } }],
  ])('is rejected with the rule that %s: %j', (rule, fields) => {
    expect(ruleOf(imageOf([], fields))).toBe(rule)
  })

  const WRONG_SIZES = [
    '"5"',
    '-1',
    '1.5',
    '3.0',
    '3e0',
    '-0',
    '9007199254740992',
    '1e400',
    'true',
    '[]',
    '{}',
  ]
  it.each(WRONG_SIZES)('is rejected in any descriptor: a size of %s', size => {
    const wrong = JSON.stringify({ ...good, size: 'SIZE' }).replace('"SIZE"', size)
    const places: [string, string][] = [
      ['config', imageOf([], { config: 'HERE' })],
      ['layers[0]', imageOf([], { layers: ['HERE'] })],
      ['subject', imageOf([], { subject: 'HERE' })],
      ['manifests[0]', indexOf([], { manifests: ['HERE'] })],
    ]
    for (const [place, document] of places)
      expect(ruleOf(document.replace('"HERE"', wrong))).toBe(
        `${place}.size must be a whole number of bytes in decimal digits, such as 1024`,
      )
  })

  it.each([undefined, null, 0, 2 ** 53 - 1])('is accepted: a size of %j', size => {
    expect(parse(imageOf([], { layers: [{ ...good, size }] })).blobs).toContain(good.digest)
  })

  it.each(['', 'YQ==', 'YWI=', 'YWJj', 'YW\nJj'])('is accepted: data of %j', data => {
    expect(parse(imageOf([], { layers: [{ ...good, data }] })).blobs).toContain(good.digest)
  })

  it('is accepted: a platform of strings and lists of strings', () => {
    const platform = { os: 'windows', 'os.version': '10.0', 'os.features': ['win32k'], architecture: 'amd64' }
    expect(parse(imageOf([], { layers: [{ ...good, platform }] })).blobs).toContain(good.digest)
  })

  it('is rejected when it lists too many descriptors', () => {
    const layers = Array.from({ length: MAX_DESCRIPTORS }, () => descriptorOf('a'))
    expect(ruleOf(imageOf([], { layers }))).toBe(`a manifest can hold at most ${MAX_DESCRIPTORS} descriptors`)
  })
})
