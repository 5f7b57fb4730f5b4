import * as v from 'valibot'
import type { Subject } from '../subject.ts'

export type CallerIdentity = Extract<Subject, { kind: 'role' }>

const Identity = v.object({
  GetCallerIdentityResponse: v.object({
    GetCallerIdentityResult: v.object({ Account: v.string(), Arn: v.string() }),
  }),
})

const ARN = /^arn:(aws[a-z-]{0,20}):(sts|iam)::(\d{12}):([!-~]{1,1500})$/

/**
 * Parses the JSON response of GetCallerIdentity. A role session is mapped to its role: `assumed-role/deploy/session` of
 * STS becomes `role/deploy` of IAM. STS does not return the path of a role, so the ARN has none. IAM users, account
 * roots and federated users keep the ARN that STS returns, with an empty session.
 * @returns undefined if the response is malformed
 */
export function parseCallerIdentity(response: string): CallerIdentity | undefined {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), Identity), response)
  if (!parsed.success) return undefined
  const { Account, Arn } = parsed.output.GetCallerIdentityResponse.GetCallerIdentityResult
  const [, partition, service, account, resource = ''] = ARN.exec(Arn) ?? []
  if (!account || account !== Account) return undefined
  if (service === 'iam') return { kind: 'role', arn: Arn, account, session: '' }
  const [, role, session] = /^assumed-role\/([\w+=,.@-]{1,64})\/([\w+=,.@-]{1,64})$/.exec(resource) ?? []
  if (role && session)
    return { kind: 'role', arn: `arn:${partition}:iam::${account}:role/${role}`, account, session }
  return resource.startsWith('federated-user/') ? { kind: 'role', arn: Arn, account, session: '' } : undefined
}
