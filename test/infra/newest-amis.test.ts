import { describe, expect, it } from 'vitest'
import type { Amis } from '../../infra/amis.ts'
import { newestAmis, newestPackages } from '../../infra/newest-amis.ts'

const PINNED: Amis = {
  source: 'a test',
  image: 'al2023-ami-2023.11.20260526.0-kernel-6.1-arm64',
  packages: '2023.11.20260526',
  regions: { 'eu-west-1': 'ami-00000001', 'us-east-1': 'ami-00000002' },
}
const NAME = 'al2023-ami-2023.12.20260727.0-kernel-6.1-arm64'

function sourceOf(ids: Record<string, string>, name = NAME) {
  return {
    async idIn(region: string) {
      const id = ids[region]
      if (id === undefined) throw new Error(`${region} is not enabled`)
      return id
    },
    nameOf: async () => name,
  }
}

describe('newestAmis', () => {
  it('pins the newest image of each region and its release', async () => {
    const source = sourceOf({ 'eu-west-1': 'ami-0000000a', 'us-east-1': 'ami-0000000b' })
    expect(await newestAmis(PINNED, source, 'us-east-1')).toEqual({
      amis: {
        ...PINNED,
        image: NAME,
        packages: '2023.12.20260727',
        regions: { 'eu-west-1': 'ami-0000000a', 'us-east-1': 'ami-0000000b' },
      },
      failures: [],
    })
  })

  it('keeps the image of a region that refuses, and reports it', async () => {
    const { amis, failures } = await newestAmis(
      PINNED,
      sourceOf({ 'us-east-1': 'ami-0000000b' }),
      'us-east-1',
    )
    expect(amis.regions).toEqual({ 'eu-west-1': 'ami-00000001', 'us-east-1': 'ami-0000000b' })
    expect(failures).toEqual([['eu-west-1', 'eu-west-1 is not enabled']])
  })

  it('rejects a value that is no id', async () => {
    const source = sourceOf({ 'eu-west-1': '', 'us-east-1': 'ami-0000000b' })
    const { failures } = await newestAmis(PINNED, source, 'us-east-1')
    expect(failures).toEqual([['eu-west-1', '"" must be the id of an image']])
  })

  it('rejects when the home region refuses', async () => {
    await expect(newestAmis(PINNED, sourceOf({}), 'us-east-1')).rejects.toThrow('us-east-1 is not enabled')
  })
})

describe('newestPackages', () => {
  it('returns the release of the newest image', async () => {
    expect(await newestPackages(sourceOf({ 'us-east-1': 'ami-0000000b' }), 'us-east-1')).toBe(
      '2023.12.20260727',
    )
  })

  it('rejects another kind of image', async () => {
    const source = sourceOf({ 'us-east-1': 'ami-0000000b' }, 'amzn2-ami-hvm-2.0.20260727.0-arm64-gp2')
    await expect(newestPackages(source, 'us-east-1')).rejects.toThrow('must be the name of an image')
  })
})
