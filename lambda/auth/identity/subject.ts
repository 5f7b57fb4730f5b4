import type { Grant } from '../policy/schema.ts'

/** The authenticated subject of a request. */
export type Subject =
  | { readonly kind: 'anonymous' }
  | {
      readonly kind: 'user'
      readonly name: string
      readonly groups: readonly string[]
      /** May do everything, whatever the policy says. */
      readonly admin: boolean
    }
  | { readonly kind: 'robot'; readonly name: string; readonly grants: readonly Grant[] }
  /** An AWS role or user, by its IAM ARN (`arn:aws:iam::123456789012:role/deploy`), and the name of a role's session. */
  | { readonly kind: 'role'; readonly arn: string; readonly account: string; readonly session: string }
  /** A workload with an ID token. The issuer is named as in the settings. */
  | {
      readonly kind: 'oidc'
      readonly issuer: string
      readonly subject: string
      readonly claims: Readonly<Record<string, string>>
    }

export const ANONYMOUS = { kind: 'anonymous' } as const satisfies Subject

/** A stable name: what sessions and logs call the subject. */
export function subjectId(subject: Subject): string {
  switch (subject.kind) {
    case 'anonymous':
      return 'anonymous'
    case 'role':
      return `role:${subject.arn}`
    case 'oidc':
      return `oidc:${subject.issuer}:${subject.subject}`
    default:
      return `${subject.kind}:${subject.name}`
  }
}
