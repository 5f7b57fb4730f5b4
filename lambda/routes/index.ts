import type { RouteAction } from '../auth/policy/actions.ts'
import type { Route } from '../http/router.ts'
import type { ApiRoute } from './api-route.ts'
import { baseRoutes } from './base.ts'
import { blobRoutes } from './blobs.ts'
import type { Context } from './context.ts'
import { healthRoutes } from './health.ts'
import { manifestRoutes } from './manifests.ts'
import { meRoutes } from './me.ts'
import { openApiRoute } from './openapi.ts'
import { policyRoutes } from './policy.ts'
import { referrerRoutes } from './referrers.ts'
import { repositoryRoutes } from './repositories.ts'
import { robotRoutes } from './robots.ts'
import { tagRoutes } from './tags.ts'
import { tokenRoutes } from './token.ts'
import { uploadRoutes } from './uploads.ts'
import { userRoutes } from './users.ts'

const registryRoutes: readonly (Route<Context, RouteAction> | ApiRoute)[] = [
  ...baseRoutes,
  ...healthRoutes,
  // Uploads come before blobs: `/blobs/uploads` also matches the path of a blob, with an invalid digest.
  ...uploadRoutes,
  ...blobRoutes,
  ...manifestRoutes,
  ...tagRoutes,
  ...referrerRoutes,
  ...repositoryRoutes,
  ...tokenRoutes,
  ...meRoutes,
  ...userRoutes,
  ...robotRoutes,
  ...policyRoutes,
]

/**
 * The complete API. Each row has a method, a path, the action that the caller must be allowed to perform, and a
 * handler.
 */
export const routes: readonly Route<Context, RouteAction>[] = [
  ...registryRoutes,
  openApiRoute(registryRoutes.filter(route => 'doc' in route)),
]
