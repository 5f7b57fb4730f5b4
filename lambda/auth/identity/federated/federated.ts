import type { Issuer } from './issuers.ts'
import type { FederatedLogin } from './login.ts'

/** The settings of federated logins. An empty list disables its login. */
interface FederatedSettings {
  /** Ids of the AWS accounts whose roles and users may log in. */
  readonly awsAccounts: readonly string[]
  readonly issuers: readonly Issuer[]
  /** A URL that replaces the STS endpoints of AWS, for tests. */
  readonly stsEndpoint?: string | undefined
  /** Milliseconds since 1970. */
  readonly clock: () => number
}

/** Creates the federated logins that the settings enable. */
export function federatedLogins({
  awsAccounts,
  issuers,
  stsEndpoint,
  clock,
}: FederatedSettings): FederatedLogin[] {
  const aws = loadOnLogin('aws', async () => {
    const [{ awsLogin }, { httpGetFrom, httpGet }] = await Promise.all([
      import('./aws.ts'),
      import('./http-get.ts'),
    ])
    return awsLogin({ accounts: awsAccounts, get: stsEndpoint ? httpGetFrom(stsEndpoint) : httpGet, clock })
  })
  const oidc = loadOnLogin('oidc', async () => {
    const [{ oidcLogin }, { httpGet }] = await Promise.all([import('./oidc.ts'), import('./http-get.ts')])
    return oidcLogin({ issuers, get: httpGet, clock })
  })
  return [...(awsAccounts.length > 0 ? [aws] : []), ...(issuers.length > 0 ? [oidc] : [])]
}

/**
 * Imports the code of a login at the first login. Few requests are logins, so a cold start does not load it
 * (bench/README.md).
 */
function loadOnLogin(username: string, load: () => Promise<FederatedLogin>): FederatedLogin {
  let loaded: Promise<FederatedLogin> | undefined
  return {
    username,
    async login(password, registry) {
      loaded ??= load()
      return (await loaded).login(password, registry)
    },
  }
}
