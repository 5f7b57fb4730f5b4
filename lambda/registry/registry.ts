import { Blobs } from './blobs.ts'
import type { Dependencies } from './dependencies.ts'
import { DirectUploads } from './direct-uploads.ts'
import { Links } from './links.ts'
import { Manifests } from './manifests.ts'
import { Referrers } from './referrers.ts'
import { Repositories } from './repositories.ts'
import { Tags } from './tags.ts'
import { Uploads } from './uploads.ts'

/** The operations of a registry, grouped by noun. */
export interface Registry {
  readonly repositories: Repositories
  readonly blobs: Blobs
  readonly uploads: Uploads
  readonly directUploads: DirectUploads
  readonly manifests: Manifests
  readonly tags: Tags
  readonly referrers: Referrers
  readonly links: Links
}

export function createRegistry(deps: Dependencies): Registry {
  const links = new Links(deps)
  const tags = new Tags(deps)
  const directUploads = new DirectUploads(deps, links)
  const manifests = new Manifests(deps, links, directUploads, tags)
  return {
    repositories: new Repositories(deps, manifests),
    blobs: new Blobs(deps, links, directUploads),
    uploads: new Uploads(deps, links),
    directUploads,
    manifests,
    tags,
    referrers: new Referrers(deps),
    links,
  }
}
