import type { ObjectName } from '../blobs.ts'

/** A plain file name on every operating system, whose path stays inside the folder that it is joined to. */
const SAFE_NAME = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,199}$/

/**
 * Returns the name if it is safe as the name of a file in a folder. Object names come from the registry's own rows, so
 * an unsafe name is a bug and not a client's mistake.
 * @throws {TypeError}
 */
export function checkObjectName(object: ObjectName): ObjectName {
  if (!SAFE_NAME.test(object))
    throw new TypeError(`an object name must be a plain file name: ${JSON.stringify(object)}`)
  return object
}
