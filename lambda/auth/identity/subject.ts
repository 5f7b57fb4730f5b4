import type { Grant } from '../policy/schema.ts'

/** Who a request is from. */
export type Subject =
  | { readonly kind: 'anonymous' }
  | {
      readonly kind: 'user'
      readonly name: string
      readonly groups: readonly string[]
      /** An administrator may do everything except changing immutable tags, whatever the rules of the policy say. */
      readonly admin: boolean
    }
  | { readonly kind: 'robot'; readonly name: string; readonly grants: readonly Grant[] }
  /**
   * An AWS role or user, by its IAM ARN (`arn:aws:iam::123456789012:role/deploy`). `session` is the name of the role
   * session.
   */
  | { readonly kind: 'role'; readonly arn: string; readonly account: string; readonly session: string }
  /** A workload with an ID token. `issuer` is the name of the issuer in the settings. */
  | {
      readonly kind: 'oidc'
      readonly issuer: string
      readonly subject: string
      readonly claims: Readonly<Record<string, string>>
    }

export const ANONYMOUS = { kind: 'anonymous' } as const satisfies Subject

/** A stable id of a subject, for upload sessions and logs. */
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
