import * as v from 'valibot'
import { type Issuer, parseIssuers } from '../lambda/auth/identity/federated/issuers.ts'

/*
 * Schemas of settings. Each accepts text, as the command line has it, and the JSON values of cdk.json. The message of each schema
 * describes the allowed values.
 */

export function oneOf<const T extends string>(...allowed: T[]) {
  return v.pipe(v.unknown(), v.transform(toText), v.picklist(allowed, allowed.join(', ')))
}

export function oneNumberOf(...allowed: number[]) {
  return v.pipe(v.unknown(), v.transform(toNumber), v.picklist(allowed, allowed.join(', ')))
}

export function wholeNumber(min: number, max: number) {
  const check = (value: unknown) => Number.isInteger(value) && Number(value) >= min && Number(value) <= max
  return v.pipe(
    v.unknown(),
    v.transform(toNumber),
    v.custom<number>(check, `a whole number from ${min} to ${max}`),
  )
}

export function matching(pattern: RegExp, allowed: string) {
  return v.pipe(v.unknown(), v.transform(toText), v.string(allowed), v.regex(pattern, allowed))
}

export function list(pattern: RegExp, allowed: string) {
  const split = (value: unknown) => (typeof value === 'string' ? value.split(',') : value)
  const items = v.array(v.pipe(v.string(allowed), v.regex(pattern, allowed)), allowed)
  return v.pipe(v.unknown(), v.transform(split), items, v.minLength(1, allowed), v.maxLength(3, allowed))
}

/** Origins as browsers send them. At most ten, because the environment of a function is limited to 4 KB. */
export function origins() {
  const allowed = 'at most 10 origins separated by commas, e.g. https://ui.example.com'
  const split = (value: unknown) => (typeof value === 'string' ? value.split(',').filter(Boolean) : value)
  const one = v.pipe(v.string(allowed), v.regex(/^https?:\/\/[a-z0-9.-]{1,100}(:\d{1,5})?$/, allowed))
  return v.pipe(v.unknown(), v.transform(split), v.array(one, allowed), v.maxLength(10, allowed))
}

/** The environment of a function is limited to 4 KB. */
const MAX_ISSUERS_LENGTH = 2_500

export function issuers() {
  const read = (value: unknown) => (typeof value === 'string' ? JSON.parse(value) : value)
  return v.pipe(
    v.unknown(),
    v.rawTransform<unknown, Issuer[]>(({ dataset, addIssue, NEVER }) => {
      try {
        const issuers = parseIssuers(read(dataset.value))
        if (JSON.stringify(issuers).length <= MAX_ISSUERS_LENGTH) return issuers
        addIssue({ message: `at most ${MAX_ISSUERS_LENGTH} characters of JSON` })
      } catch (error) {
        addIssue({ message: `a list of issuers; ${(error as Error).message}` })
      }
      return NEVER
    }),
  )
}

/** AWS limits: 50 tags, keys of 128 characters that do not begin with `aws:`, values of 256 characters. */
export function tags() {
  const allowed = 'tags as key=value,key=value, with at most 40 of them'
  const key = v.pipe(v.string(), v.regex(/^(?!aws:)[\w .:/+@-]{1,128}$/i, allowed))
  const value = v.pipe(v.string(allowed), v.regex(/^[\w .:/=+@-]{0,256}$/, allowed))
  const split = (text: unknown) => (typeof text === 'string' ? parsePairs(text) : text)
  const pairs = v.pipe(v.record(key, value, allowed), v.maxEntries(40, allowed))
  return v.pipe(v.unknown(), v.transform(split), pairs)
}

/** A pair without `=` stays invalid and is refused. */
function parsePairs(text: string): unknown {
  const pairs = text
    .split(',')
    .map(pair => [pair.split('=', 1)[0], pair.split('=').slice(1).join('=')] as const)
  return text.split(',').every(pair => pair.includes('=')) ? Object.fromEntries(pairs) : text
}

/** cdk.json may contain the number 100, the command line only the text "100". */
function toText(value: unknown): unknown {
  return typeof value === 'number' ? String(value) : value
}

function toNumber(value: unknown): unknown {
  return typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value
}
