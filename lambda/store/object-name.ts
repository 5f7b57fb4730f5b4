import { parseRepositoryName, type RepositoryName } from '../protocol/name.ts'
import { parseUploadId, type UploadId } from '../protocol/reference.ts'
import type { ObjectName } from './blobs.ts'

/** A plain file name on any system, whatever it is joined to. */
const SAFE_NAME = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,199}$/
const DIRECT = /^direct\/([^/]+)\/(.+)$/s

/**
 * The name, if it cannot lead out of the folder that it is joined to. Names come from our own tables, so any other is a
 * bug and not a client's mistake.
 * @throws {TypeError}
 */
export function checkName(object: ObjectName): ObjectName {
  if (!SAFE_NAME.test(object)) throw new TypeError(`not an object name: ${JSON.stringify(object)}`)
  return object
}

/** The session that a client wrote an object for, and its repository. */
export interface DirectObject {
  readonly name: RepositoryName
  readonly upload: UploadId
}

/**
 * What a client writes into the store itself. Never where the session's own bytes go: else a session that was used both
 * ways could make one blob's row name the other's bytes. It tells its repository, because an event of the store tells no more.
 */
export function directObject({ name, upload }: DirectObject): ObjectName {
  return `direct/${upload}/${name}`
}

/** @returns undefined for any other object */
export function parseDirectObject(object: ObjectName): DirectObject | undefined {
  const [, upload = '', name = ''] = DIRECT.exec(object) ?? []
  try {
    return { upload: parseUploadId(upload), name: parseRepositoryName(name) }
  } catch {
    return undefined
  }
}
