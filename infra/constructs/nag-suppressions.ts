import { Stack, Validations } from 'aws-cdk-lib'
import type { IConstruct } from 'constructs'

/** Suppresses a finding of cdk-nag's AwsSolutions rules, with a reason. */
export function suppress(where: IConstruct, rule: string, reason: string): void {
  Validations.of(where).acknowledge({ id: rule, reason })
}

/** The same for one wildcard resource, so that no other wildcard is suppressed with it. */
export function suppressWildcard(where: IConstruct, resource: string, reason: string): void {
  suppress(where, `AwsSolutions-IAM5[Resource::${asReported(Stack.of(where).resolve(resource))}]`, reason)
}

/** cdk-nag shows values that are known only on deployment as references. */
function asReported(resolved: string | { 'Fn::Join': [string, (string | { Ref?: string })[]] }): string {
  if (typeof resolved === 'string') return resolved
  const [, parts] = resolved['Fn::Join']
  return parts
    .map(part => (typeof part === 'string' ? part : part.Ref ? `<${part.Ref}>` : JSON.stringify(part)))
    .join('')
}
