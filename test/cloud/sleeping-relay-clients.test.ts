import { expect, it } from 'vitest'
import { Cloud } from './emulator/cloud.ts'
import { trafficOf } from './emulator/traffic.ts'
import { PATCH_CLIENTS } from './patch-clients.ts'
import { describeInCloud } from './requirements.ts'

const SIZE = 300 * 2 ** 20
/** The other clients do this in large-layers.test.ts, and pull the image too. */
const CLIENTS = ['buildah', 'crane', 'ko', 'jib']

describeInCloud({}, 'a stopped relay', () => {
  for (const { name, needs, start } of PATCH_CLIENTS.filter(({ name }) => CLIENTS.includes(name)))
    describeInCloud(needs, `and ${name}`, () => {
      it('is started for a layer of 300 MiB and accepts it', async () => {
        await using client = await start()
        await using cloud = await Cloud.start({ relay: 'auto', bootMs: 2_000 })
        const image = await client.prepare({ name: `${cloud.host}/push/${name}:1`, size: SIZE })

        const { code, stdout, stderr } = await image.push()

        expect(code, stdout + stderr).toBe(0)
        expect(cloud.ec2.instance.starts).toBe(1)
        expect(trafficOf(cloud.cloudfront.requests).relay.bytesIn).toBeGreaterThanOrEqual(SIZE)
      })
    })
})
