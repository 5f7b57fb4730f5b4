import { type Client, digestOf, freshBytes } from './client.ts'
import { beginUpload, type Context, type Deployment } from './context.ts'
import { NotReady } from './ready.ts'

/** Bytes. The API accepts 4 MiB. */
const TOO_LARGE_FOR_API = 5 * 2 ** 20

/**
 * Finds out what is deployed, from its responses.
 * @throws {NotReady} when the registry does not run on AWS
 */
export async function inspect(context: Context): Promise<Deployment> {
  const pull = await pullMode(context)
  const location = await beginUpload(context)
  const directUploads = new URL(location, context.client.origin).searchParams.has('direct')
  return { pull, directUploads, relay: await hasRelay(context.client, location) }
}

/** What {@link inspect} found, in one line. */
export function describeDeployment({ pull, relay, directUploads }: Deployment): string {
  return [
    `pull=${pull}`,
    relay ? 'a relay' : 'no relay',
    directUploads ? 'direct uploads' : 'no direct uploads',
  ].join(', ')
}

async function pullMode({ client, path, blobs }: Context): Promise<Deployment['pull']> {
  const bytes = freshBytes(100)
  const digest = digestOf(bytes)
  const pushed = await client.request('POST', `${path}/blobs/uploads/?digest=${digest}`, { body: bytes })
  if (pushed.status === 201) blobs.push(digest)
  const { status, headers } = await client.request('HEAD', `${path}/blobs/${digest}`)
  if (status === 200)
    throw new NotReady(
      `${client.origin} serves blobs itself, so it does not run on AWS: the smoke test checks deployments on AWS only`,
    )
  // The checks report any other failure.
  return headers.location?.startsWith('/pull/') ? 'edge' : 's3'
}

/** Without a relay, the edge refuses a chunk that is too large for the API. */
async function hasRelay(client: Client, session: string): Promise<boolean> {
  try {
    const body = freshBytes(TOO_LARGE_FOR_API)
    const { status, headers } = await client.request('PATCH', session, { body })
    await client.request('DELETE', headers.location ?? session)
    return status !== 413
  } catch {
    // Some networks lose the 413, because it comes while the body is being sent.
    return false
  }
}
