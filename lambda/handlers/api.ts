import { readAwsConfig } from '../aws/config.ts'
import { writeRecord } from '../aws/log.ts'
import { openAwsRegistry } from '../aws/registry.ts'
import { requireEdge } from '../aws/require-edge.ts'
import { isEdgeHeader, SecretCache, ssmSecrets } from '../aws/secrets.ts'
import { createGateway } from '../http/api-gateway.ts'

/** A second's worth of reading. What is larger is left to the claim handler, which has the time. */
const READ_LIMIT = 64 * 2 ** 20

const config = readAwsConfig(process.env)
const { app, credentials } = openAwsRegistry({
  config,
  secrets: () => keeper.known,
  readLimit: READ_LIMIT,
})
const keeper = new SecretCache(ssmSecrets(config, credentials))

/** Called by API Gateway for every request. */
export const handler = createGateway({
  app: requireEdge(app, async header => isEdgeHeader(header, await keeper.current())),
  log: writeRecord,
  clock: Date.now,
})

// Already while the first event is on its way. When it fails the event tries again, and finds out why.
await keeper.current().catch(() => {})
