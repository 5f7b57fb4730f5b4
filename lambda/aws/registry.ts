import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { createAuth } from '../auth/auth.ts'
import { federatedLogins } from '../auth/identity/federated/federated.ts'
import type { Passwords } from '../auth/identity/passwords.ts'
import { matchesAny } from '../auth/policy/glob.ts'
import { Keyring } from '../auth/tokens/keyring.ts'
import { UPLOAD_LIFETIME } from '../registry/dependencies.ts'
import { createRegistryApp, type RegistryApp } from '../registry-app.ts'
import { createDynamoClient } from '../store/dynamodb/client.ts'
import { DynamoTable } from '../store/dynamodb/table.ts'
import { S3Blobs } from '../store/s3/blobs.ts'
import type { Credentials } from '../store/shared/aws-signing.ts'
import type { AwsConfig } from './config.ts'
import type { Secrets } from './secrets.ts'
import { CloudFrontSigner } from './signed-urls.ts'

/**
 * Bytes of a chunk that clients are told to send at least. Some take it for their own size, which else is more than Lambda can take (koci's
 * is 5 MiB). Three such chunks must fit into one request: the conformance suite streams as many.
 */
const LEAST_CHUNK = 2 ** 20

interface Parts {
  readonly config: AwsConfig
  /** The newest that are known. Asked only when a link is signed. */
  readonly secrets: () => Secrets
  /** How many bytes may be read again to find a digest that S3 does not tell. */
  readonly readLimit: number
  /** Bytes of memory that one upload may hold; see {@link S3Blobs}. */
  readonly memory?: number
  /** Absent: hashes in this process, which suits one request at a time. */
  readonly passwords?: Passwords
}

interface Deployed extends RegistryApp {
  /** Of the process, the same for all services. The SDK renews them in time. */
  readonly credentials: () => Promise<Credentials>
}

/** The registry on DynamoDB and S3, as every deployed process has it. */
export function openAwsRegistry({ config, secrets, readLimit, memory, passwords }: Parts): Deployed {
  const { table, bucket, region, pull, grace, origin, s3Endpoint } = config
  const dynamo = createDynamoClient({ region })
  const credentials = () => dynamo.config.credentials()
  const links = () => new CloudFrontSigner(secrets().edgeKeys[0] ?? '')
  const store = new S3Blobs({
    bucket,
    region,
    endpoint: s3Endpoint,
    credentials,
    ...(memory !== undefined && { memory }),
    ...(pull === 'edge' && {
      through: (key, { digest, seconds }) =>
        origin + links().pullPath(digest, key, Math.floor(Date.now() / 1000) + seconds),
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
  const federated = federatedLogins({ ...config, clock: Date.now })
  const auth =
    config.auth === 'on'
      ? createAuth({ ...deps, keyring: keyringOf(secrets), federated, ...(passwords && { passwords }) })
      : undefined
  const registry = createRegistryApp(deps, {
    origin,
    auth,
    corsOrigins: config.corsOrigins,
    minChunkSize: LEAST_CHUNK,
    signUpload: (name, upload, until) => links().uploadQuery(upload, name, Math.floor(until / 1000)),
  })
  return { ...registry, credentials }
}

/** The keys of now. They are read again when they have changed. */
function keyringOf(secrets: () => Secrets): () => Keyring {
  let known: { readonly keys: string; readonly keyring: Keyring } | undefined
  return () => {
    const { tokenKeys } = secrets()
    const keys = tokenKeys.join()
    if (known?.keys !== keys) known = { keys, keyring: new Keyring(tokenKeys) }
    return known.keyring
  }
}
