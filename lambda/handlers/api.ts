import { createGateway, type GatewayEvent, type GatewayResult } from '../http/api-gateway.ts'
import { behindEdge } from '../http/behind-edge.ts'
import { readConfig } from './config.ts'
import { openDeployed } from './deployed.ts'
import { writeRecord } from './log.ts'
import { isEdge, SecretKeeper, secretsInSsm } from './secrets.ts'

/** A second's worth of reading. What is larger is left to the claim handler, which has the time. */
const READ_LIMIT = 64 * 2 ** 20

const config = readConfig(process.env)
const keeper = new SecretKeeper(secretsInSsm(config.secret))
// Fetched while the first event is on its way. When that fails the event finds out.
let secrets = await keeper.current().catch(() => undefined)

const { app } = openDeployed({ config, secrets: known, readLimit: READ_LIMIT })
const gateway = createGateway({
  app: behindEdge(app, header => isEdge(header, known())),
  log: writeRecord,
  clock: Date.now,
})

/** Called by API Gateway for every request. */
export async function handler(event: GatewayEvent): Promise<GatewayResult> {
  secrets = await keeper.current()
  return gateway(event)
}

function known() {
  if (!secrets) throw new Error('the secrets of the edge are not known')
  return secrets
}
