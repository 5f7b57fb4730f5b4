import type { Route } from '../http/router.ts'
import { adminRoutes } from './admin.ts'
import { baseRoutes } from './base.ts'
import { blobRoutes } from './blobs.ts'
import type { Context } from './context.ts'
import { healthRoutes } from './health.ts'
import { manifestRoutes } from './manifests.ts'
import { referrerRoutes } from './referrers.ts'
import { repositoryRoutes } from './repositories.ts'
import { tagRoutes } from './tags.ts'
import { tokenRoutes } from './token.ts'
import { uploadRoutes } from './uploads.ts'

/** The whole API. Each row says method, path, what the caller must be allowed to do, and who answers. */
export const routes: readonly Route<Context>[] = [
  ...baseRoutes,
  ...healthRoutes,
  // Before the blobs, of which `uploads` is no digest.
  ...uploadRoutes,
  ...blobRoutes,
  ...manifestRoutes,
  ...tagRoutes,
  ...referrerRoutes,
  ...repositoryRoutes,
  ...tokenRoutes,
  ...adminRoutes,
]
