import { Blobs } from './blobs.ts'
import type { Dependencies } from './dependencies.ts'
import { Links } from './links.ts'
import { Manifests } from './manifests.ts'
import { Referrers } from './referrers.ts'
import { Repositories } from './repositories.ts'
import { Tags } from './tags.ts'
import { Uploads } from './uploads.ts'

/** What a registry can do, noun by noun. */
export interface Registry {
  readonly repositories: Repositories
  readonly blobs: Blobs
  readonly uploads: Uploads
  readonly manifests: Manifests
  readonly tags: Tags
  readonly referrers: Referrers
  readonly links: Links
}

export function createRegistry(deps: Dependencies): Registry {
  const links = new Links(deps)
  const tags = new Tags(deps)
  return {
    repositories: new Repositories(deps.table),
    blobs: new Blobs(deps, links),
    uploads: new Uploads(deps, links),
    manifests: new Manifests(deps, links, tags),
    tags,
    referrers: new Referrers(deps),
    links,
  }
}
