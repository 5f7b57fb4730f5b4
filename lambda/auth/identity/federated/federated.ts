import type { Issuer } from './issuers.ts'
import type { FederatedLogin } from './login.ts'

/** The federated logins of the settings. Absent: none. */
interface Believed {
  /** Ids of the AWS accounts whose roles and users may log in. */
  readonly awsAccounts: readonly string[]
  readonly issuers: readonly Issuer[]
  /** Another STS than Amazon's. */
  readonly stsEndpoint?: string | undefined
  /** Milliseconds since 1970. */
  readonly clock: () => number
}

/** Creates the federated logins that the settings enable. */
export function federatedLogins({ awsAccounts, issuers, stsEndpoint, clock }: Believed): FederatedLogin[] {
  const aws = whenNeeded('aws', async () => {
    const [{ awsLogin }, { httpGetFrom, httpGet }] = await Promise.all([
      import('./aws.ts'),
      import('./http-get.ts'),
    ])
    return awsLogin({ accounts: awsAccounts, get: stsEndpoint ? httpGetFrom(stsEndpoint) : httpGet, clock })
  })
  const oidc = whenNeeded('oidc', async () => {
    const [{ oidcLogin }, { httpGet }] = await Promise.all([import('./oidc.ts'), import('./http-get.ts')])
    return oidcLogin({ issuers, get: httpGet, clock })
  })
  return [...(awsAccounts.length > 0 ? [aws] : []), ...(issuers.length > 0 ? [oidc] : [])]
}

/** Few requests are logins, so a cold start does not read what they need (bench/README.md). */
function whenNeeded(username: string, open: () => Promise<FederatedLogin>): FederatedLogin {
  let opened: Promise<FederatedLogin> | undefined
  return {
    username,
    async login(password, registry) {
      opened ??= open()
      return (await opened).login(password, registry)
    },
  }
}
