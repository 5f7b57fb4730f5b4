import type { ObjectName } from '../blobs.ts'

/** A plain file name on any system, whatever it is joined to. */
const SAFE_NAME = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,199}$/

/**
 * The name, if it cannot lead out of the folder that it is joined to. Names come from our own tables, so any other is a
 * bug and not a client's mistake.
 * @throws {TypeError}
 */
export function checkObjectName(object: ObjectName): ObjectName {
  if (!SAFE_NAME.test(object)) throw new TypeError(`not an object name: ${JSON.stringify(object)}`)
  return object
}
