import fc from 'fast-check'
import { expect, it } from 'vitest'
import { parseRepositoryName } from '../../lambda/protocol/name.ts'
import { anyText, repositoryName } from '../support/arbitraries.ts'
import { codeOf } from '../support/errors.ts'
import { processorTime } from '../support/processor-time.ts'

/** The expression of the distribution spec ("Pulling manifests"), as it is written there. */
const OF_THE_SPEC = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/

it.each([
  'a',
  '0',
  'library/ubuntu',
  'a.b_c__d-e---f/g',
  'v2/blobs/uploads',
  'a'.repeat(255),
  `${'a/'.repeat(127)}a`,
])('takes %s', name => {
  expect(parseRepositoryName(name)).toBe(name)
})

it.each([
  ['nothing', ''],
  ['upper case', 'Ubuntu'],
  ['a leading slash', '/a'],
  ['a trailing slash', 'a/'],
  ['an empty component', 'a//b'],
  ['a parent folder', 'a/../b'],
  ['this folder', 'a/./b'],
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
])('refuses %s', (_, name) => {
  expect(codeOf(() => parseRepositoryName(name))).toBe('NAME_INVALID')
})

it('takes every name that the grammar yields', () => {
  fc.assert(fc.property(repositoryName, name => parseRepositoryName(name) === name))
})

it('agrees with the spec about any text', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        anyText,
        repositoryName.map(name => `${name}-`),
      ),
      text => {
        const valid = OF_THE_SPEC.test(text) && text.length <= 255
        expect(codeOf(() => parseRepositoryName(text))).toBe(valid ? undefined : 'NAME_INVALID')
      },
    ),
  )
})

it('decides at once about a name that is made to take long', async () => {
  const time = await processorTime(() => {
    for (const unit of ['a-', 'a_', '-', 'a/', 'a__'])
      codeOf(() => parseRepositoryName(`${unit.repeat(127)}!`))
  })
  expect(time).toBeLessThan(1000)
})
