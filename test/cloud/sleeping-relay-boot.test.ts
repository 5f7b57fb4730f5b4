import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import type { CommandResult } from '../support/command.ts'
import { missingFor } from '../support/requirements.ts'
import { Cloud } from './emulator/cloud.ts'
import { PATCH_CLIENTS, type PatchClient, type PreparedImage } from './patch-clients.ts'
import { describeInCloud } from './requirements.ts'

const MiB = 2 ** 20
const SECOND = 1_000

/** All clients push at the same time, so that the waits of one are those of all. */
describeInCloud({}, 'a stopped relay that all clients need at the same time', () => {
  const kinds = PATCH_CLIENTS.filter(({ needs }) => missingFor(needs).length === 0)
  const names = kinds.map(({ name }) => name)
  const clients = new Map<string, PatchClient>()
  let cloud: Cloud
  beforeAll(async () => {
    for (const { name, start } of kinds) clients.set(name, await start())
  })
  afterEach(() => cloud?.stop())
  afterAll(() => Promise.all([...clients.values()].map(client => client[Symbol.asyncDispose]())))

  async function prepareAll(size: number): Promise<Map<string, PreparedImage>> {
    const images = new Map<string, PreparedImage>()
    for (const [name, client] of clients) {
      const image = `${cloud.host}/${name.toLowerCase().replaceAll(' ', '-')}:1`
      images.set(name, await client.prepare({ name: image, size }))
    }
    return images
  }

  async function pushAll(images: ReadonlyMap<string, PreparedImage>): Promise<[string, CommandResult][]> {
    return Promise.all(
      [...images].map(async ([name, image]): Promise<[string, CommandResult]> => [name, await image.push()]),
    )
  }

  const succeeded = (results: [string, CommandResult][]) =>
    results.filter(([, { code }]) => code === 0).map(([name]) => name)
  const outputs = (results: [string, CommandResult][]) => JSON.stringify(results, null, 1)

  it.each([20, 45])('lets every client push when its boot takes %i s, and is started once', async seconds => {
    cloud = await Cloud.start({ relay: 'auto', bootMs: seconds * SECOND })

    const results = await pushAll(await prepareAll(6 * MiB))

    expect(succeeded(results), outputs(results)).toEqual(names)
    expect(cloud.ec2.instance.starts).toBe(1)
  })

  it('lets every client print why EC2 cannot start it', async () => {
    cloud = await Cloud.start({ relay: 'auto' })
    cloud.ec2.refusals.push(...Array(100).fill('InsufficientInstanceCapacity'))

    const results = await pushAll(await prepareAll(6 * MiB))

    expect(succeeded(results)).toEqual([])
    for (const [name, { stdout, stderr }] of results)
      expect(stdout + stderr, name).toContain('AWS has no capacity for its instance type')
  })

  it('lets every client push with one repetition when it is killed during the first layer', async () => {
    cloud = await Cloud.start({ relay: 'auto', bootMs: SECOND })
    let isKilled = false
    cloud.cloudfront.onForward = (origin, method) => {
      if (isKilled || origin !== 'relay' || method !== 'PATCH') return
      isKilled = true
      void cloud.ec2.instance.killService()
    }
    const images = await prepareAll(32 * MiB)

    const first = await pushAll(images)
    const failed = new Map([...images].filter(([name]) => !succeeded(first).includes(name)))
    const second = await pushAll(failed)

    expect(isKilled).toBe(true)
    expect(succeeded(second), outputs(second)).toEqual([...failed.keys()])
    expect(cloud.ec2.instance.starts).toBe(1)
  })
})
