import { text } from 'node:stream/consumers'
import * as v from 'valibot'
import { awsPassword, findCredentials } from './aws-password.ts'
import { Failure } from './failure.ts'

/*
 * The kubelet's credential provider plugin: `longshore kubelet-credential-provider`. It reads a CredentialProviderRequest from standard
 * input and prints a CredentialProviderResponse (kubernetes.io, "Configure a kubelet image credential provider"). A pod whose
 * service account token the kubelet passes on logs in as `oidc`, every other pod with the AWS credentials of the node.
 */

const API_VERSION = 'credentialprovider.kubelet.k8s.io/v1'

const Request = v.looseObject({
  apiVersion: v.literal(API_VERSION),
  kind: v.literal('CredentialProviderRequest'),
  image: v.pipe(v.string(), v.minLength(1)),
  serviceAccountToken: v.optional(v.string()),
})

/** A signed request to STS works for 15 minutes. The kubelet asks again before that. */
const AWS_CACHE_DURATION = '10m0s'

try {
  const request = v.safeParse(v.pipe(v.string(), v.parseJson(), Request), await text(process.stdin))
  if (!request.success)
    throw new Failure(`standard input must be a CredentialProviderRequest of ${API_VERSION}`)
  console.log(JSON.stringify(await respond(request.output)))
} catch (error) {
  if (!(error instanceof Failure)) throw error
  console.error(`longshore: ${error.message}`)
  process.exitCode = error.code
}

async function respond({ image, serviceAccountToken }: v.InferOutput<typeof Request>): Promise<object> {
  const registry = image.split('/', 1)[0] ?? image
  if (serviceAccountToken)
    // The kubelet caches by token itself, and renews the token.
    return response(registry, '0s', { username: 'oidc', password: serviceAccountToken })
  const signing = { registry, ...(await findCredentials()), now: new Date() }
  return response(registry, AWS_CACHE_DURATION, { username: 'aws', password: awsPassword(signing) })
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
