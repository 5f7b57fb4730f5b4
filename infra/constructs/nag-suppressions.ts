import { Stack, Validations } from 'aws-cdk-lib'
import type { IConstruct } from 'constructs'

/** Lets a finding of the rules that the stack is checked by (cdk-nag's AwsSolutions) stand, for a reason. */
export function suppress(where: IConstruct, rule: string, reason: string): void {
  Validations.of(where).acknowledge({ id: rule, reason })
}

/** The same for one resource with a wildcard in it, so that no other may slip in beside it. */
export function suppressWildcard(where: IConstruct, resource: string, reason: string): void {
  suppress(where, `AwsSolutions-IAM5[Resource::${asReported(Stack.of(where).resolve(resource))}]`, reason)
}

/** cdk-nag names what is only known on deployment by its reference. */
function asReported(resolved: string | { 'Fn::Join': [string, (string | { Ref?: string })[]] }): string {
  if (typeof resolved === 'string') return resolved
  const [, parts] = resolved['Fn::Join']
  return parts
    .map(part => (typeof part === 'string' ? part : part.Ref ? `<${part.Ref}>` : JSON.stringify(part)))
    .join('')
}
