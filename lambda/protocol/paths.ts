import type { Digest } from './digest.ts'
import type { RepositoryName } from './name.ts'
import type { SessionAddress } from './reference.ts'

/** Paths for `Location`. Each starts with `/v2/` and contains no character that needs escaping. */

export function blobPath(name: RepositoryName, digest: Digest): string {
  return `/v2/${name}/blobs/${digest}`
}

export function manifestPath(name: RepositoryName, digest: Digest): string {
  return `/v2/${name}/manifests/${digest}`
}

/** The path alone identifies the upload: zb and other load tools drop the query of a `Location`. */
export function uploadPath({ name, upload }: SessionAddress): string {
  return `/v2/${name}/blobs/uploads/${upload}`
}
