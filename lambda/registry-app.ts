import type { Auth } from './auth/auth.ts'
import { OPEN_ACCESS } from './auth/authorizer.ts'
import { Collector } from './gc/collector.ts'
import { type App, createApp } from './http/app.ts'
import type { Dependencies } from './registry/dependencies.ts'
import type { DirectUploads } from './registry/direct-uploads.ts'
import { createRegistry } from './registry/registry.ts'
import { explainStoreError } from './registry/store-errors.ts'
import type { Context } from './routes/context.ts'
import { routes } from './routes/index.ts'

/** A registry on one table and one blob store: the app that every adapter serves, and its background work. */
export interface RegistryApp {
  readonly app: App
  readonly collector: Collector
  readonly directUploads: DirectUploads
}

interface Options extends Partial<Pick<Context, 'signUpload' | 'minChunkSize' | 'relay'>> {
  /** The URL by which clients reach this registry, such as `https://registry.example`. Empty or absent: derived from each request. */
  readonly origin?: string | undefined
  /** Logins and access checks. Absent: every request may do everything. */
  readonly auth?: Auth | undefined
  /** Origins of other sites whose pages may use this registry from a browser. */
  readonly corsOrigins?: readonly string[] | undefined
}

/** @param options see {@link Context} */
export function createRegistryApp(
  deps: Dependencies,
  { origin, signUpload, minChunkSize, relay, auth, corsOrigins = [] }: Options = {},
): RegistryApp {
  const registry = createRegistry(deps)
  const app = createApp({
    routes,
    context: {
      registry,
      ...(signUpload && { signUpload }),
      ...(minChunkSize !== undefined && { minChunkSize }),
      ...(relay && { relay }),
      ...(auth && { tokens: auth.tokens, accounts: auth.accounts, policies: auth.policies }),
    },
    authorize: auth?.authorize ?? (async () => OPEN_ACCESS),
    explain: explainStoreError,
    origin,
    corsOrigins,
  })
  return {
    app,
    collector: new Collector(deps, registry),
    directUploads: registry.directUploads,
  }
}
