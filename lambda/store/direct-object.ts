import { parseRepositoryName } from '../protocol/name.ts'
import { parseUploadId, type SessionAddress } from '../protocol/reference.ts'
import type { ObjectName } from './blobs.ts'

const DIRECT_OBJECT = /^direct\/([^/]+)\/(.+)$/s

/**
 * The name of the object that a direct upload writes. It differs from the name of the session's draft: otherwise a
 * session that was used both ways could make the row of one blob name the bytes of another. It contains the repository,
 * because an S3 event carries only the name of the object.
 */
export function directObject({ name, upload }: SessionAddress): ObjectName {
  return `direct/${upload}/${name}`
}

/** Parses the name of a direct upload's object. @returns `undefined` for any other object */
export function parseDirectObject(object: ObjectName): SessionAddress | undefined {
  const [, upload = '', name = ''] = DIRECT_OBJECT.exec(object) ?? []
  try {
    return { upload: parseUploadId(upload), name: parseRepositoryName(name) }
  } catch {
    return undefined
  }
}
