import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ClientError } from '../../lambda/client/client-error.ts'
import { matchesPlatform, parsePlatform } from '../../lambda/client/content.ts'
import { formatImageName, parseImageName } from '../../lambda/client/image-name.ts'
import { parseChallenges } from '../../lambda/client/registry/challenge.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`

describe('parseImageName', () => {
  it.each([
    ['registry.example/team/app:v1', 'registry.example', 'team/app', 'v1'],
    ['registry.example:5000/app', 'registry.example:5000', 'app', 'latest'],
    ['localhost/app:v1', 'localhost', 'app', 'v1'],
    ['http://registry.example/a/b/c:v1', 'http://registry.example', 'a/b/c', 'v1'],
    ['docker.io/alpine:3', 'docker.io', 'library/alpine', '3'],
    ['docker.io/library/alpine', 'docker.io', 'library/alpine', 'latest'],
    [`[::1]:5000/app@${DIGEST}`, '[::1]:5000', 'app', DIGEST],
    [`registry.example/app:v1@${DIGEST}`, 'registry.example', 'app', DIGEST],
  ])('reads %s', (text, registry, repository, reference) => {
    const name = parseImageName(text)
    const found = name.reference.kind === 'tag' ? name.reference.tag : name.reference.digest
    expect([name.registry, name.repository, found]).toEqual([registry, repository, reference])
  })

  it.each([
    '',
    'alpine',
    'library/alpine:3',
    'registry.example',
    'registry.example/',
    'x.y/A',
    'x.y/a:',
    'x.y/a:b:c',
    'x.y/../a',
    'x.y/a@sha256:1',
  ])('refuses %j', text => {
    expect(() => parseImageName(text)).toThrow(ClientError)
  })

  it('reads what it formats', () => {
    const part = fc.stringMatching(/^[a-z0-9]{1,8}$/)
    const names = fc.tuple(part, part, part, fc.constantFrom('', ':v1', `@${DIGEST}`))
    fc.assert(
      fc.property(names, ([host, first, second, reference]) => {
        const name = parseImageName(`${host}.example/${first}/${second}${reference}`)
        expect(parseImageName(formatImageName(name))).toEqual({ ...name, isExplicit: true })
      }),
    )
  })
})

describe('a platform', () => {
  it.each([
    ['linux/arm64', 'linux/arm64/v8', true],
    ['linux/arm64/v8', 'linux/arm64', true],
    ['linux/arm', 'linux/arm/v6', true],
    ['linux/arm/v7', 'linux/arm/v6', false],
    ['linux/amd64', 'windows/amd64', false],
  ])('%s matches %s: %s', (wanted, found, matches) => {
    expect(matchesPlatform(parsePlatform(wanted), parsePlatform(found))).toBe(matches)
  })
})

it('parseChallenges accepts any header', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'Bearer ="\\,;x\t '), maxLength: 60 }), header => {
      expect(Array.isArray(parseChallenges(header))).toBe(true)
    }),
  )
})
