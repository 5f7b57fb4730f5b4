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

/** The kubelet caches a password for this time. A presigned STS request is valid for 15 minutes. */
const AWS_CACHE_DURATION = '10m0s'

/**
 * `longshore kubelet-credential-provider`: a credential provider plugin of the kubelet. It reads a
 * CredentialProviderRequest from standard input and prints a CredentialProviderResponse (kubernetes.io, "Configure a
 * kubelet image credential provider"). If the request contains the service account token of a pod, the pod logs in as
 * `oidc` with it. Other pods log in with the AWS credentials of the node.
 */
export function addKubeletCommand(program: Command, { io }: CliContext): void {
  program
    .command('kubelet-credential-provider')
    .description('run as a credential provider plugin of the kubelet')
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
    // With 0s the kubelet does not cache the response. It caches and renews the token itself.
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
