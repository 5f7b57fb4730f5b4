import { parseRepositoryName, type RepositoryName } from '../protocol/name.ts'
import { parseUploadId, type UploadId } from '../protocol/reference.ts'
import type { ObjectName } from './blobs.ts'

const DIRECT = /^direct\/([^/]+)\/(.+)$/s

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
