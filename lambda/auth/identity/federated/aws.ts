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
 * `docker login -u aws`: the password is a presigned GetCallerIdentity request. STS answers it with the identity of its signer. It is
 * sent to STS and to no other server.
 */
export function awsLogin({ accounts, get, clock }: AwsLoginParts): FederatedLogin {
  return {
    username: 'aws',
    async login(password, registry) {
      const request = parsePresignedIdentity(password, clock())
      if (typeof request === 'string') throw refused(request)
      const { status, text } = await get(request, { [REGISTRY_HEADER]: registry })
      if (status >= 500) throw busy('UNAVAILABLE', `STS answers ${status}`)
      if (status !== 200 && /"Code":\s*"Throttling/.test(text))
        throw busy('TOOMANYREQUESTS', 'STS wants a pause')
      if (status !== 200) throw refused(`STS does not take the signature, which must be for ${registry}`)
      const caller = parseCallerIdentity(text)
      if (!caller) throw refused('STS does not tell who signed')
      if (!accounts.includes(caller.account))
        throw refused(`logins from AWS account ${caller.account} are not enabled`)
      return caller
    },
  }
}

function refused(reason: string): RegistryError {
  return new RegistryError('UNAUTHORIZED', { detail: { reason } })
}

function busy(code: 'UNAVAILABLE' | 'TOOMANYREQUESTS', reason: string): RegistryError {
  return new RegistryError(code, { detail: { reason }, headers: { 'retry-after': '5' } })
}
