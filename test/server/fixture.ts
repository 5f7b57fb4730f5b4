import { setTimeout as delay } from 'node:timers/promises'
import { main } from '../../server/main.ts'

/** A server process with everything but the registry: the tests start it and send it signals. */
await main(async ({ data, grace, origin }) => ({
  async app({ query }) {
    console.log('asked')
    if (query.has('fault')) throw new Error('as asked')
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
