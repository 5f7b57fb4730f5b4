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
    .description('print the policy, in the form that "policy set" takes')
    .action(
      context.onRegistry(showPolicy, { format: (document: object) => JSON.stringify(document, null, 2) }),
    )
  policy
    .command('set')
    .description('replace the policy by a JSON file')
    .argument('<file>', 'JSON file', nonEmpty)
    .action(
      context.onRegistry(setPolicy(context), {
        createsRegistry: true,
        format: ({ version }: { version: number }) => `the policy is now version ${version}`,
      }),
    )
  policy
    .command('explain')
    .description('tell which rule decides whether somebody may do something')
    .argument('<who>', 'such as user:ann', callerId)
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
  const question = { who, action, repository, ...(tag && { tag }), claims }
  return registry.request('POST', '/api/policy/explain', question)
}

/** @throws {CliError} for a bare name, which a user and a robot may both have */
function callerId(text: string): string {
  if (text.includes(':') || text === 'anonymous') return text
  const options = `user:${text} or robot:${text} (or anonymous, role:<arn>, oidc:<issuer>)`
  throw new CliError(`"${text}" does not say what it names: write ${options}`, 2)
}
