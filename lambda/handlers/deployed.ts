import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { createAuth } from '../auth/auth.ts'
import { federatedLogins } from '../auth/federated/federated.ts'
import { matchesAny } from '../auth/glob.ts'
import { Keyring } from '../auth/keyring.ts'
import type { Passwords } from '../auth/passwords.ts'
import { UPLOAD_LIFE } from '../registry/dependencies.ts'
import { createRegistryApp, type RegistryApp } from '../registry-app.ts'
import type { Credentials } from '../store/aws-signing.ts'
import { openDynamo } from '../store/dynamo/client.ts'
import { DynamoTable } from '../store/dynamo-table.ts'
import { EdgeLinks } from '../store/edge-links.ts'
import { S3Blobs } from '../store/s3-blobs.ts'
import type { Config } from './config.ts'
import type { Secrets } from './secrets.ts'

/**
 * Bytes of a chunk that clients are told to send at least. Some take it for their own size, which else is more than Lambda can take (koci's
 * is 5 MiB). Three such chunks must fit into one request: the conformance suite streams as many.
 */
const LEAST_CHUNK = 2 ** 20

interface Parts {
  readonly config: Config
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
export function openDeployed({ config, secrets, readLimit, memory, passwords }: Parts): Deployed {
  const { table, bucket, region, pull, grace, origin, s3Endpoint } = config
  const dynamo = openDynamo({ region })
  const credentials = () => dynamo.config.credentials()
  const links = () => new EdgeLinks(secrets().edgeKeys[0] ?? '')
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
    grace,
    uploadLife: UPLOAD_LIFE,
    isSparse: (name: string) => matchesAny(config.sparse, name),
    direct: { readLimit },
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
    leastChunk: LEAST_CHUNK,
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
