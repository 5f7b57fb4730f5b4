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
 * Whom STS means, from its answer in JSON. A session of a role is the role: `assumed-role/deploy/session` of STS is
 * `role/deploy` of IAM. The path of a role is not told by STS, so it is in no name here. Users, the root of an account and federated
 * users keep the names that AWS gives them, with an empty session.
 * @returns undefined for an answer that does not say
 */
export function parseCallerIdentity(answer: string): CallerIdentity | undefined {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), Identity), answer)
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
