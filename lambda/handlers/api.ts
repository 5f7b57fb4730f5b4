import { readAwsConfig } from '../aws/config.ts'
import { writeRecord } from '../aws/log.ts'
import { openAwsRegistry } from '../aws/registry.ts'
import { requireEdge } from '../aws/require-edge.ts'
import { isEdgeHeader, SecretCache, ssmSecrets } from '../aws/secrets.ts'
import { createGateway } from '../http/api-gateway.ts'

/** Bytes that can be read in about a second. The function for S3 events, which has more time, reads larger objects. */
const READ_LIMIT = 64 * 2 ** 20

const config = readAwsConfig(process.env)
const { app, credentials } = openAwsRegistry({
  config,
  secrets: () => cache.cached,
  readLimit: READ_LIMIT,
  startsRelay: true,
})
const cache = new SecretCache(ssmSecrets(config, credentials))

/** The Lambda function behind API Gateway. */
export const handler = createGateway({
  app: requireEdge(app, async header => isEdgeHeader(header, await cache.current())),
  log: writeRecord,
  clock: Date.now,
})

// Reads the secrets during the init phase. A failure is repeated, and reported, by the first request.
await cache.current().catch(() => {})
