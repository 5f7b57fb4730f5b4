import { RegistryError } from '../../../protocol/errors.ts'
import { parseCallerIdentity } from './caller-identity.ts'
import type { HttpGet } from './http-get.ts'
import type { FederatedLogin } from './login.ts'
import { parsePresignedIdentity, REGISTRY_HEADER } from './presigned-identity.ts'

interface AwsLoginParts {
  /** Ids of the accounts whose roles and users may log in. */
  readonly accounts: readonly string[]
  readonly get: HttpGet
  /** Milliseconds since 1970. */
  readonly clock: () => number
}

/**
 * `docker login -u aws`: the password is a presigned GetCallerIdentity request. STS responds with the identity of its
 * signer. The request is sent only to endpoints of STS.
 */
export function awsLogin({ accounts, get, clock }: AwsLoginParts): FederatedLogin {
  return {
    username: 'aws',
    async login(password, registry) {
      const request = parsePresignedIdentity(password, clock())
      if (typeof request === 'string') throw rejected(request)
      const { status, text } = await get(request, { [REGISTRY_HEADER]: registry })
      if (status >= 500) throw retryLater('UNAVAILABLE', `STS responded with status ${status}`)
      if (status !== 200 && /"Code":\s*"Throttling/.test(text))
        throw retryLater('TOOMANYREQUESTS', 'STS throttles requests: try again later')
      if (status !== 200)
        throw rejected(`STS rejected the signature: the password must be signed for ${registry}`)
      const caller = parseCallerIdentity(text)
      if (!caller) throw rejected('the response of STS does not identify the signer')
      if (!accounts.includes(caller.account))
        throw rejected(`logins from AWS account ${caller.account} are not enabled`)
      return caller
    },
  }
}

function rejected(reason: string): RegistryError {
  return new RegistryError('UNAUTHORIZED', { detail: { reason } })
}

function retryLater(code: 'UNAVAILABLE' | 'TOOMANYREQUESTS', reason: string): RegistryError {
  return new RegistryError(code, { detail: { reason }, headers: { 'retry-after': '5' } })
}
