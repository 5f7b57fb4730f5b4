import { once } from 'node:events'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { digestOf, randomBytesOf } from '../support/random-bytes.ts'
import { Cloud } from './emulator/cloud.ts'
import { beginUpload, layerOf, pull, putDirectly, putManifest, send } from './fixture.ts'
import { describeInCloud } from './requirements.ts'

const MiB = 2 ** 20

describeInCloud({}, 'when a Lambda environment is killed', () => {
  let cloud: Cloud
  beforeAll(async () => {
    cloud = await Cloud.start()
  })
  afterAll(() => cloud?.stop())

  /** Runs `work`, and kills the function's environment `after` milliseconds after it received its event. */
  async function killAfter(after: number, lambda: Cloud['api'], work: () => Promise<unknown>) {
    let timer: NodeJS.Timeout | undefined
    let ended: Promise<unknown> = Promise.resolve()
    lambda.onEvent = environment => {
      lambda.onEvent = () => {}
      timer = setTimeout(() => {
        ended = once(environment, 'exit')
        environment.kill('SIGKILL')
      }, after)
    }
    await work()
    clearTimeout(timer)
    await ended
  }

  /** A commit takes about 50 ms here; the first event of a process that has just started, 300. */
  const DELAYS_MS = [0, 5, 10, 15, 20, 25, 30, 35, 40, 50, 60, 80, 120]

  it.each(DELAYS_MS)('%i ms into a commit, a repeated PUT succeeds', async after => {
    const bytes = randomBytesOf(`killed ${after}`, MiB - 1)
    const digest = digestOf(bytes)
    const location = await beginUpload(cloud, 'killed')
    const finish = () => send(cloud, 'PUT', `${location}&digest=${digest}`, { body: bytes })
    await killAfter(after, cloud.api, finish)

    expect((await finish()).status).toBe(201)
    expect(digestOf(await pull(cloud, 'killed', digest))).toBe(digest)
  })

  it.each(DELAYS_MS)('%i ms into a commit of chunks, a repeated PUT succeeds', async after => {
    const chunks = [0, 1, 2].map(at => randomBytesOf(`chunk ${at} of ${after}`, 4 * MiB))
    const digest = digestOf(chunks)
    let location = await beginUpload(cloud, 'killed')
    for (const body of chunks) {
      const { status, headers } = await send(cloud, 'PATCH', location, { body })
      expect(status).toBe(202)
      location = headers.location ?? ''
    }
    const finish = () => send(cloud, 'PUT', `${location}&digest=${digest}`)
    await killAfter(after, cloud.api, finish)

    expect((await finish()).status).toBe(201)
    expect(digestOf(await pull(cloud, 'killed', digest))).toBe(digest)
  })

  it.each([0, 10, 20, 40, 80, 300])('%i ms into an adoption, the blob is available', async after => {
    const layer = layerOf()
    await killAfter(after, cloud.s3Event, async () => {
      await putDirectly(cloud, await beginUpload(cloud, 'killed'), layer)
      await cloud.events.settled()
    })

    expect(await pull(cloud, 'killed', layer.digest)).toEqual(layer.bytes)
  })

  it('later uploads and collections succeed', async () => {
    const layer = layerOf()
    await putDirectly(cloud, await beginUpload(cloud, 'killed'), layer)

    expect((await putManifest(cloud, 'killed', 'v1', layer)).status).toBe(201)
    await cloud.collector.invoke({})
    expect(await pull(cloud, 'killed', layer.digest)).toEqual(layer.bytes)
  })
})
