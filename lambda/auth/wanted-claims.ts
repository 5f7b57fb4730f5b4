import * as v from 'valibot'

/** valibot leaves these names out of a record without a word; but a rule that wants one claim less lets more people in. */
const LEFT_OUT = ['__proto__', 'constructor', 'prototype']

/** A schema of claims that somebody must have, each with the pattern that it must fit. */
export function wantedClaims<T extends v.GenericSchema<string, string>>(value: T) {
  return v.pipe(
    v.unknown(),
    v.check(
      claims => !LEFT_OUT.some(name => Object.hasOwn(claims ?? {}, name)),
      `cannot ask for ${LEFT_OUT.join(', ')}`,
    ),
    // For the OpenAPI document, which sees a schema up to here.
    v.description('An object: the name of each claim, and the pattern that its value must match.'),
    v.record(v.string(), value),
  )
}
