import * as v from 'valibot'
import { describe, expect, it } from 'vitest'
import { formatIssue } from '../../lambda/util/format-issue.ts'

const Document = v.strictObject({
  name: v.string(),
  admin: v.optional(v.boolean()),
  version: v.optional(v.number()),
  on: v.optional(
    v.pipe(v.array(v.pipe(v.string(), v.regex(/^[a-z]+$/, 'must be lower case'))), v.maxLength(2)),
  ),
  claims: v.optional(v.record(v.string(), v.string())),
})

function format(schema: v.GenericSchema, input: unknown): string {
  const { issues } = v.safeParse(schema, input)
  return issues ? formatIssue(issues, 'the body') : 'valid'
}

describe('a validation issue', () => {
  it.each([
    [{}, 'name: is missing'],
    [{ name: 'a', nam: 1 }, 'nam: unknown field'],
    [{ name: 123456789 }, 'name: must be a string'],
    [{ name: 'a', admin: 'yes' }, 'admin: must be true or false'],
    [{ name: 'a', version: '1' }, 'version: must be a number'],
    [{ name: 'a', on: 'x' }, 'on: must be an array'],
    [{ name: 'a', on: ['X'] }, 'on.0: must be lower case'],
    [{ name: 'a', on: ['a', 'b', 'c'] }, 'on: must have at most 2 entries'],
    [{ name: 'a', claims: 'x' }, 'claims: must be an object'],
    ['text', 'the body: must be an object'],
  ])('of %j is %j', (input, message) => {
    expect(format(Document, input)).toBe(message)
  })

  it('of malformed JSON does not repeat the text', () => {
    expect(format(v.pipe(v.string(), v.parseJson()), '{ secret')).toBe('the body: must be valid JSON')
  })
})
