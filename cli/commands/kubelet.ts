import { text } from 'node:stream/consumers'
import type { Command } from 'commander'
import * as v from 'valibot'
import { awsPassword } from '../aws-password.ts'
import { CliError } from '../cli-error.ts'
import type { CliContext } from '../context.ts'
import type { Io } from '../io.ts'

const API_VERSION = 'credentialprovider.kubelet.k8s.io/v1'

const CredentialProviderRequest = v.looseObject({
  apiVersion: v.literal(API_VERSION),
  kind: v.literal('CredentialProviderRequest'),
  image: v.pipe(v.string(), v.minLength(1)),
  serviceAccountToken: v.optional(v.string()),
})

/** A signed request to STS works for 15 minutes. The kubelet asks again before that. */
const AWS_CACHE_DURATION = '10m0s'

/**
 * `longshore kubelet-credential-provider`: the kubelet's credential provider plugin. It reads a CredentialProviderRequest from
 * standard input and prints a CredentialProviderResponse (kubernetes.io, "Configure a kubelet image credential provider"). A pod
 * whose service account token the kubelet passes on logs in as `oidc`, every other pod with the AWS credentials of the node.
 */
export function addKubeletCommand(program: Command, { io }: CliContext): void {
  program
    .command('kubelet-credential-provider')
    .description('answer the kubelet, which runs this as a credential provider plugin')
    .action(async () => {
      const json = v.pipe(v.string(), v.parseJson(), CredentialProviderRequest)
      const request = v.safeParse(json, await text(io.stdin))
      if (!request.success)
        throw new CliError(`standard input must be a CredentialProviderRequest of ${API_VERSION}`)
      io.stdout.write(`${JSON.stringify(await respond(request.output, io))}\n`)
    })
}

async function respond(
  { image, serviceAccountToken }: v.InferOutput<typeof CredentialProviderRequest>,
  io: Io,
): Promise<object> {
  const registry = image.split('/', 1)[0] ?? image
  if (serviceAccountToken)
    // The kubelet caches by token itself, and renews the token.
    return response(registry, '0s', { username: 'oidc', password: serviceAccountToken })
  const signing = { registry, ...(await io.awsCredentials()), now: new Date() }
  return response(registry, AWS_CACHE_DURATION, { username: 'aws', password: await awsPassword(signing) })
}

function response(registry: string, cacheDuration: string, login: { username: string; password: string }) {
  return {
    apiVersion: API_VERSION,
    kind: 'CredentialProviderResponse',
    cacheKeyType: 'Registry',
    cacheDuration,
    auth: { [registry]: login },
  }
}
