import type { Command } from 'commander'
import { nonEmpty, pairs } from '../arguments.ts'
import { CliError } from '../cli-error.ts'
import type { CliContext } from '../context.ts'
import { readJson } from '../json-file.ts'
import type { RegistryClient } from '../registry-client.ts'

const EXPLAIN_NOTES = `
<who> is anonymous, user:<name>, robot:<name>, role:<arn> or oidc:<issuer>.
Example: longshore policy explain robot:ci push team/app:v1`

/** `longshore policy ...` */
export function addPolicyCommands(program: Command, context: CliContext): void {
  const policy = program.command('policy').description('show, set and explain the access policy')
  policy
    .command('show')
    .description('print the policy as JSON, as "policy set" reads it')
    .action(
      context.onRegistry(showPolicy, { format: (document: object) => JSON.stringify(document, null, 2) }),
    )
  policy
    .command('set')
    .description('replace the policy with the document in a JSON file')
    .argument('<file>', 'JSON file', nonEmpty)
    .action(
      context.onRegistry(setPolicy(context), {
        createsRegistry: true,
        format: ({ version }: { version: number }) => `the policy is now version ${version}`,
      }),
    )
  policy
    .command('explain')
    .description('explain which rule allows or denies an action')
    .argument('<who>', 'such as user:ann', subjectIdentifier)
    .argument('<action>', 'such as pull', nonEmpty)
    .argument('<repository[:tag]>', 'such as team/app:v1', nonEmpty)
    .option('--claims <claims>', 'claims of a role or an ID token, as a=b,c=d', pairs)
    .addHelpText('after', EXPLAIN_NOTES)
    .action(context.onRegistry(explainPolicy, { format: ({ sentence }: { sentence: string }) => sentence }))
}

async function showPolicy(registry: RegistryClient): Promise<unknown> {
  return ((await registry.get('/api/policy')) as { policy: unknown }).policy
}

function setPolicy(context: CliContext) {
  return async (registry: RegistryClient, file: string): Promise<unknown> => {
    const policy = readJson(context.path(file))
    const { version } = (await registry.get('/api/policy')) as { version: number }
    return registry.request('PUT', '/api/policy', { policy, version })
  }
}

function explainPolicy(
  registry: RegistryClient,
  who: string,
  action: string,
  target: string,
  { claims = {} }: { readonly claims?: Readonly<Record<string, string>> },
): Promise<unknown> {
  const [repository, tag] = target.split(/:(.*)/s)
  const request = { who, action, repository, ...(tag && { tag }), claims }
  return registry.request('POST', '/api/policy/explain', request)
}

/** @throws {CliError} for a name without a kind, because a user and a robot are named in the same way */
function subjectIdentifier(text: string): string {
  if (text.includes(':') || text === 'anonymous') return text
  const options = `user:${text} or robot:${text} (or anonymous, role:<arn>, oidc:<issuer>)`
  throw new CliError(`"${text}" must begin with the kind of the subject: write ${options}`, 2)
}
