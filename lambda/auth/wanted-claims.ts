import * as v from 'valibot'

/** The library leaves these out of a record without a word, and what wants one claim less lets more people in. */
const LEFT_OUT = ['__proto__', 'constructor', 'prototype']

/** Claims that somebody must have, and for each what it must be like. */
export function wantedClaims<T extends v.GenericSchema<string, string>>(value: T) {
  return v.pipe(
    v.unknown(),
    v.check(
      claims => !LEFT_OUT.some(name => Object.hasOwn(claims ?? {}, name)),
      `cannot ask for ${LEFT_OUT.join(', ')}`,
    ),
    v.record(v.string(), value),
  )
}
