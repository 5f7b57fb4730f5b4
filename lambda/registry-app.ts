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

/** The registry, above whatever stores it is given: what every door serves, and who tidies up behind it. */
export interface RegistryApp {
  readonly app: App
  readonly collector: Collector
  readonly directUploads: DirectUploads
}

interface Options extends Partial<Pick<Context, 'origin' | 'signUpload' | 'minChunkSize'>> {
  /** Who may do what. Without it everybody may do everything. */
  readonly auth?: Auth | undefined
  /** Origins of other sites whose pages may use this registry from a browser. */
  readonly corsOrigins?: readonly string[] | undefined
}

/** @param options see {@link Context} */
export function createRegistryApp(
  deps: Dependencies,
  { origin = '', signUpload, minChunkSize, auth, corsOrigins = [] }: Options = {},
): RegistryApp {
  const registry = createRegistry(deps)
  const app = createApp({
    routes,
    context: {
      registry,
      origin,
      ...(signUpload && { signUpload }),
      ...(minChunkSize !== undefined && { minChunkSize }),
      ...(auth && { tokens: auth.tokens, accounts: auth.accounts, policies: auth.policies }),
    },
    authorize: auth?.authorize ?? (async () => OPEN_ACCESS),
    explain: explainStoreError,
    corsOrigins,
  })
  return {
    // Where it is told how clients reach it, no header can tell it otherwise.
    app: origin ? request => app({ ...request, origin }) : app,
    collector: new Collector(deps, registry),
    directUploads: registry.directUploads,
  }
}
