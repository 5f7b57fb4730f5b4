import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { createAuth } from '../auth/auth.ts'
import { federatedLogins } from '../auth/identity/federated/federated.ts'
import type { Passwords } from '../auth/identity/passwords.ts'
import { matchesAny } from '../auth/policy/glob.ts'
import { Keyring } from '../auth/tokens/keyring.ts'
import { UPLOAD_LIFETIME } from '../registry/dependencies.ts'
import type { UploadSession } from '../registry/sessions.ts'
import { createRegistryApp, type RegistryApp } from '../registry-app.ts'
import { createDynamoClient } from '../store/dynamodb/client.ts'
import { DynamoTable } from '../store/dynamodb/table.ts'
import { S3Blobs } from '../store/s3/blobs.ts'
import type { Credentials } from '../store/shared/aws-signing.ts'
import type { AwsConfig } from './config.ts'
import { openSleepingRelay } from './relay/open.ts'
import type { Secrets } from './secrets.ts'
import { CloudFrontSigner } from './signed-urls.ts'

/**
 * Minimum chunk size that upload responses announce (`OCI-Chunk-Min-Length`), in bytes. Some clients use this size for
 * all their chunks; their own default can exceed the limit of Lambda (koci: 5 MiB). Three chunks must fit into one
 * request, because the conformance suite sends three in one stream.
 */
const MIN_CHUNK_SIZE = 2 ** 20

interface Parts {
  readonly config: AwsConfig
  /** Returns the newest secrets. Called only when a URL is signed. */
  readonly secrets: () => Secrets
  /** Size of the largest object that is read to compute a digest which S3 has not computed, in bytes. */
  readonly readLimit: number
  /** Maximum memory that one upload may use, in bytes; see {@link S3Blobs}. */
  readonly memory?: number
  /** Hashes passwords. Absent: in this thread, which suits a function that serves one request at a time. */
  readonly passwords?: Passwords
  /** Whether uploads in this process start a relay that is stopped. */
  readonly startsRelay?: boolean
}

interface AwsRegistry extends RegistryApp {
  /** The AWS credentials of the process, for all services. The SDK renews them. */
  readonly credentials: () => Promise<Credentials>
  /** Absent in a deployment without a relay that is stopped while idle. */
  readonly relay: ReturnType<typeof openSleepingRelay>
}

/** Creates the registry on DynamoDB and S3, for the Lambda functions and the relay. */
export function openAwsRegistry({
  config,
  secrets,
  readLimit,
  memory,
  passwords,
  startsRelay = false,
}: Parts): AwsRegistry {
  const { table, bucket, region, pull, grace, origin, s3Endpoint } = config
  const dynamo = createDynamoClient({ region })
  const credentials = () => dynamo.config.credentials()
  const signer = () => new CloudFrontSigner(secrets().edgeKeys[0] ?? '')
  const store = new S3Blobs({
    bucket,
    region,
    endpoint: s3Endpoint,
    credentials,
    ...(memory !== undefined && { maxBufferBytes: memory }),
    ...(pull === 'edge' && {
      cdnUrl: (key, { digest, seconds }) =>
        origin + signer().pullPath(digest, key, Math.floor(Date.now() / 1000) + seconds),
    }),
  })
  const deps = {
    table: new DynamoTable(dynamo, table),
    store,
    clock: Date.now,
    pause: (milliseconds: number) => setTimeout(milliseconds, undefined, { ref: false }),
    newId: randomUUID,
    gracePeriod: grace,
    uploadLifetime: UPLOAD_LIFETIME,
    isSparse: (name: string) => matchesAny(config.sparse, name),
    directUploads: { readLimit },
  }
  const relay = openSleepingRelay(config, deps.table, credentials)
  const federated = federatedLogins({ ...config, clock: Date.now })
  const auth =
    config.auth === 'on'
      ? createAuth({
          ...deps,
          keyring: keyringOf(secrets),
          federated,
          // Valid for longer than the token, so that the API answers a request whose token has expired.
          edgeMark: () => signer().pushTokenMark(Math.floor((Date.now() + UPLOAD_LIFETIME) / 1000)),
          ...(passwords && { passwords }),
        })
      : undefined
  const registry = createRegistryApp(deps, {
    origin,
    auth,
    corsOrigins: config.corsOrigins,
    minChunkSize: MIN_CHUNK_SIZE,
    signUpload: session => uploadQuery(signer(), session),
    ...(relay && startsRelay && { relay: relay.gate }),
  })
  return { ...registry, credentials, relay }
}

/** The query parameters by which CloudFront passes on the bytes of a session, until it expires. */
function uploadQuery(signer: CloudFrontSigner, session: UploadSession): string {
  const { expires, directUntil } = session
  const stream = signer.streamQuery(session, Math.floor(expires / 1000))
  return directUntil === undefined
    ? stream
    : `${stream}&${signer.directQuery(session, Math.floor(directUntil / 1000))}`
}

/** Returns the keyring of the current keys, which is created again when the keys have changed. */
function keyringOf(secrets: () => Secrets): () => Keyring {
  let cached: { readonly keys: string; readonly keyring: Keyring } | undefined
  return () => {
    const { tokenKeys } = secrets()
    const keys = tokenKeys.join()
    if (cached?.keys !== keys) cached = { keys, keyring: new Keyring(tokenKeys) }
    return cached.keyring
  }
}
