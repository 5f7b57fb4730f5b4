import type { Digest } from './digest.ts'
import type { RepositoryName } from './name.ts'
import type { SessionAddress } from './reference.ts'

/* Paths for the `Location` header. Each begins with `/v2/` and contains no character that must be escaped. */

export function blobPath(name: RepositoryName, digest: Digest): string {
  return `/v2/${name}/blobs/${digest}`
}

export function manifestPath(name: RepositoryName, digest: Digest): string {
  return `/v2/${name}/manifests/${digest}`
}

/** The path without a query identifies the session: zb and other load tools drop the query of a `Location`. */
export function uploadPath({ name, upload }: SessionAddress): string {
  return `/v2/${name}/blobs/uploads/${upload}`
}
