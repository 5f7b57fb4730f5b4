import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Cloud } from './emulator/cloud.ts'
import { trafficOf } from './emulator/traffic.ts'
import { PATCH_CLIENTS, type PreparedImage } from './patch-clients.ts'
import { describeInCloud } from './requirements.ts'

const MiB = 2 ** 20
const SIZE = 300 * MiB

describeInCloud({}, 'a stopped relay', () => {
  for (const { name, needs, start } of PATCH_CLIENTS)
    describeInCloud(needs, `and a layer of 300 MiB from ${name}`, () => {
      let cloud: Cloud
      beforeAll(async () => {
        cloud = await Cloud.start({ relay: 'auto', bootMs: 2_000 })
        cloud.cloudfront.onRequest = r => console.log(new Date().toISOString(), r)
      })
      afterAll(() => cloud?.stop())

      it('is started for the layer and accepts it', async () => {
        await using client = await start()
        const image = await client.prepare({ name: `${cloud.host}/push/${name.toLowerCase().replace(/ .*/, '')}:1`, size: SIZE })
        console.log(cloud.ec2.instance.state)
        const result = await image.push()
        console.log(result, cloud.ec2.actions, cloud.ec2.instance.starts)
        expect(result.code).toBe(0)
        expect(cloud.ec2.instance.starts).toBe(1)
        expect(trafficOf(cloud.cloudfront.requests).relay.bytesIn).toBeGreaterThanOrEqual(SIZE)
      })
    })
})
