import { createGateway } from '../http/api-gateway.ts'
import { behindEdge } from '../http/behind-edge.ts'
import { readConfig } from './config.ts'
import { openDeployed } from './deployed.ts'
import { writeRecord } from './log.ts'
import { isEdge, SecretKeeper, secretsInSsm } from './secrets.ts'

/** A second's worth of reading. What is larger is left to the claim handler, which has the time. */
const READ_LIMIT = 64 * 2 ** 20

const config = readConfig(process.env)
const { app, credentials } = openDeployed({
  config,
  secrets: () => keeper.known,
  readLimit: READ_LIMIT,
})
const keeper = new SecretKeeper(secretsInSsm(config, credentials))

/** Called by API Gateway for every request. */
export const handler = createGateway({
  app: behindEdge(app, async header => isEdge(header, await keeper.current())),
  log: writeRecord,
  clock: Date.now,
})

// Already while the first event is on its way. When it fails the event tries again, and finds out why.
await keeper.current().catch(() => {})
