import { once } from 'node:events'
import { createServer } from 'node:net'

/** A free port of 127.0.0.1, for servers that cannot choose a free port themselves. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  await once(probe, 'close')
  return typeof address === 'object' && address ? address.port : 0
}
