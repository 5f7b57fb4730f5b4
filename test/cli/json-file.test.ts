import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readJson } from '../../cli/json-file.ts'
import { TempDir } from '../support/temp-dir.ts'

let scratch: TempDir
beforeEach(() => {
  scratch = new TempDir()
})
afterEach(() => scratch.remove())

const read = (content: string | Uint8Array) => readJson(scratch.write('policy.json', content))

it('reads any JSON, also with a byte order mark or in UTF-16', () => {
  fc.assert(
    fc.property(fc.json(), fc.constantFrom('', '\uFEFF'), (text, mark) => {
      expect(read(mark + text)).toEqual(JSON.parse(text))
      expect(read(Buffer.from(`\uFEFF${text}`, 'utf16le'))).toEqual(JSON.parse(text))
    }),
  )
})

describe('a syntax error', () => {
  it.each([
    ['{"a": }', 1, 7, "unexpected token '}'"],
    ['{\n  "a": 1,\n}', 3, 1, 'expected double-quoted property name'],
    ['{\r\n  "a": 1\r\n  "b": 2\r\n}', 3, 3, "expected ',' or '}' after property value"],
    ['{a: 1}', 1, 2, "expected property name or '}'"],
    ['{"ä☃": tru}', 1, 11, "unexpected token '}'"],
    ['{"rules": [\n  {"a": "b"},\n  oops\n]}', 3, 3, "unexpected token 'o'"],
    ['{"a": 1', 1, 8, "expected ',' or '}' after property value"],
    ['', 1, 1, 'unexpected end of JSON input'],
    ['{} x', 1, 4, 'unexpected non-whitespace character after JSON'],
  ])('in %j is on line %i, column %i', (text, line, column, reason) => {
    expect(() => read(text)).toThrow(`policy.json, line ${line}, column ${column}: not valid JSON: ${reason}`)
  })

  it('is found at the start of any line', () => {
    const documents = fc.array(fc.dictionary(fc.string(), fc.array(fc.integer())), { minLength: 1 })
    fc.assert(
      fc.property(documents, fc.nat(), (document, at) => {
        const lines = JSON.stringify(document, null, 2).split('\n')
        const index = at % lines.length
        lines[index] = `?${lines[index]}`
        expect(() => read(lines.join('\n'))).toThrow(`line ${index + 1}, column 1: not valid JSON`)
      }),
    )
  })
})

it('names a file that it cannot read', () => {
  expect(() => readJson(scratch.join('missing.json'))).toThrow(/^cannot read .*missing\.json: ENOENT$/)
})
