import { setTimeout as delay } from 'node:timers/promises'
import { main } from '../../server/main.ts'

/** A server process with a minimal app in place of the registry, for tests of the process. */
await main(async ({ data, grace, origin }) => ({
  async app({ query }) {
    console.log('request')
    if (query.has('fault')) throw new Error('a fault')
    await delay(Number(query.get('ms')))
    return {
      response: { status: 200, headers: {}, body: Buffer.from(JSON.stringify({ data, grace, origin })) },
    }
  },
  async collect() {
    console.log('collected')
  },
  async close() {
    console.log('closed')
  },
}))
