import fc from 'fast-check'
import { expect, it } from 'vitest'
import { parseRepositoryName } from '../../lambda/protocol/name.ts'
import { anyText, repositoryName } from '../support/arbitraries.ts'
import { codeOf } from '../support/errors.ts'
import { processorTime } from '../support/processor-time.ts'

/** Verbatim from the distribution spec ("Pulling manifests"). */
const SPEC_NAME = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/

it.each([
  'a',
  '0',
  'library/ubuntu',
  'a.b_c__d-e---f/g',
  'v2/blobs/uploads',
  'a'.repeat(255),
  `${'a/'.repeat(127)}a`,
])('accepts %s', name => {
  expect(parseRepositoryName(name)).toBe(name)
})

it.each([
  ['an empty name', ''],
  ['upper case', 'Ubuntu'],
  ['a leading slash', '/a'],
  ['a trailing slash', 'a/'],
  ['an empty component', 'a//b'],
  ['a parent folder', 'a/../b'],
  ['the current folder', 'a/./b'],
  ['a leading dot', '.a'],
  ['a leading underscore', '_catalog'],
  ['a trailing hyphen', 'a-'],
  ['two dots', 'a..b'],
  ['three underscores', 'a___b'],
  ['two kinds of separator', 'a._b'],
  ['a space', 'a b'],
  ['a percent escape', 'a%2fb'],
  ['a colon', 'host:5000/a'],
  ['a backslash', 'a\\b'],
  ['the separator of keys', 'a#b'],
  ['NUL', 'a\0b'],
  ['a line break at the end', 'a\n'],
  ['a letter that looks like a Latin one', 'аlpine'],
  ['a digit that is not ASCII', 'a٣'],
  ['256 characters', 'a'.repeat(256)],
])('rejects %s', (_, name) => {
  expect(codeOf(() => parseRepositoryName(name))).toBe('NAME_INVALID')
})

it('accepts every name of the grammar', () => {
  fc.assert(fc.property(repositoryName, name => parseRepositoryName(name) === name))
})

it('agrees with the expression of the spec for any text', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        anyText,
        repositoryName.map(name => `${name}-`),
      ),
      text => {
        const valid = SPEC_NAME.test(text) && text.length <= 255
        expect(codeOf(() => parseRepositoryName(text))).toBe(valid ? undefined : 'NAME_INVALID')
      },
    ),
  )
})

it('needs little time for a name that is made to cause backtracking', async () => {
  const time = await processorTime(() => {
    for (const unit of ['a-', 'a_', '-', 'a/', 'a__'])
      codeOf(() => parseRepositoryName(`${unit.repeat(127)}!`))
  })
  expect(time).toBeLessThan(1000)
})
