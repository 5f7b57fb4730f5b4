import { beforeEach, describe, expect, it } from 'vitest'
import { parsePlatform } from '../../lambda/client/content.ts'
import { copyPlan } from '../../lambda/client/copy/copier.ts'
import { type PlanOptions, planCopy } from '../../lambda/client/copy/plan.ts'
import type { Registry } from '../../lambda/client/registry/registry.ts'
import { RepositorySource } from '../../lambda/client/registry/repository-source.ts'
import { RepositoryTarget } from '../../lambda/client/registry/repository-target.ts'
import { parseRepositoryName } from '../../lambda/protocol/name.ts'
import { parseReference, parseTag } from '../../lambda/protocol/reference.ts'
import { clientOf } from '../support/client.ts'
import { artifact, image, multiArchitecture } from '../support/images.ts'
import { emptyResponse, MemoryServer } from '../support/memory-server.ts'

let from: MemoryServer
let to: MemoryServer
beforeEach(async () => {
  ;[from, to] = await Promise.all([MemoryServer.start(), MemoryServer.start()])
  return async () => {
    await from.stop()
    await to.stop()
  }
})

interface Copied extends Partial<PlanOptions> {
  readonly sourceClient?: Registry
  readonly targetClient?: Registry
  readonly repository?: string
}

async function copy(reference: string, options: Copied = {}) {
  const {
    sourceClient = clientOf(from.host),
    targetClient = clientOf(to.host),
    repository = 'copy',
  } = options
  const source = new RepositorySource(sourceClient, parseRepositoryName('app'))
  const target = new RepositoryTarget(targetClient, parseRepositoryName(repository))
  const plan = await planCopy(source, parseReference(reference), { referrers: true, ...options })
  return copyPlan(source, target, plan, { tags: [parseTag('v2')], signal: options.signal })
}

const many = multiArchitecture('many')
const one = image('one', { layers: 6 })

describe('a copy', () => {
  it('brings every platform of an image with its digests', async () => {
    await from.repository('app').pushImage(many, 'v1')
    const totals = await copy('v1')
    expect(totals).toMatchObject({ manifests: 3, blobs: 6, copiedBlobs: 6 })
    expect(to.served.at(-1)).toBe('PUT /v2/copy/manifests/v2 201')
    expect(await to.repository('copy').missing(many)).toEqual([])
  })

  it('brings one platform when one is chosen', async () => {
    await from.repository('app').pushImage(many, 'v1')
    await copy('v1', { platform: parsePlatform('linux/arm64') })
    const [, arm] = many.children
    const pulled = await to.repository('copy').pullManifest('v2', arm?.manifest.mediaType ?? '')
    expect(pulled.equals(arm?.manifest.bytes ?? Buffer.alloc(0))).toBe(true)
  })

  it.each([
    ['an index', many, 'linux/amd64, linux/arm64'],
    ['an image', one, 'linux/amd64'],
  ])(
    'of a platform that %s does not have fails and names the platforms that it has',
    async (_, image, has) => {
      await from.repository('app').pushImage(image, 'v1')
      await expect(copy('v1', { platform: parsePlatform('windows/amd64') })).rejects.toThrow(
        `${from.host}/app:v1 has no image for windows/amd64: it has ${has}`,
      )
    },
  )

  it('brings referrers, referrers of these, and the tags of cosign', async () => {
    const signature = artifact('example/signature', 'signed', one.manifest)
    const countersignature = artifact('example/countersignature', 'signed again', signature.manifest)
    const cosign = artifact('example/cosign', 'payload')
    const tag = `${one.manifest.digest.replace(':', '-')}.sig`
    const repository = from.repository('app')
    await repository.pushImage(one, 'v1')
    await repository.pushImage(signature, signature.manifest.digest)
    await repository.pushImage(countersignature, countersignature.manifest.digest)
    await repository.pushImage(cosign, tag)
    await copy('v1')
    for (const each of [signature, countersignature, cosign])
      expect(await to.repository('copy').missing(each)).toEqual([])
    expect(to.served).toContain(`PUT /v2/copy/manifests/${tag} 201`)
  })

  it('leaves referrers out when told to', async () => {
    const signature = artifact('example/signature', 'signed', one.manifest)
    await from.repository('app').pushImage(one, 'v1')
    await from.repository('app').pushImage(signature, signature.manifest.digest)
    expect(await copy('v1', { referrers: false })).toMatchObject({ manifests: 1 })
  })

  it('sends nothing again that the target has', async () => {
    await from.repository('app').pushImage(one, 'v1')
    await copy('v1')
    const before = to.count(/^POST/)
    expect(await copy('v1')).toMatchObject({ copiedBlobs: 0, copiedBytes: 0, blobs: 7 })
    expect(to.count(/^POST/)).toBe(before)
  })

  it('is resumed when it is repeated after a failure', async () => {
    await from.repository('app').pushImage(one, 'v1')
    to.intercept = ({ method }) =>
      method === 'PUT' && to.count(/^PUT .*blobs.* 201/) >= 4 ? emptyResponse(403) : undefined
    await expect(copy('v1')).rejects.toThrow(/refused blob/)
    expect(to.count(/manifests.* 201/)).toBe(0)
    const before = to.count(/^PUT .*blobs.* 201/)
    to.intercept = () => undefined
    await copy('v1')
    expect(to.count(/^PUT .*blobs.* 201/)).toBe(7)
    expect(before).toBeGreaterThanOrEqual(4)
  })

  it('mounts blobs of another repository of the same registry', async () => {
    await from.repository('app').pushImage(one, 'v1')
    const client = clientOf(from.host)
    await copy('v1', { sourceClient: client, targetClient: client, repository: 'other' })
    expect(await from.repository('other').missing(one)).toEqual([])
    expect(from.count(/^PUT .*other.blobs/)).toBe(0)
    expect(from.count(/^POST .*other.blobs.* 201/)).toBe(7)
  })

  it('uploads in the session that a refused mount began', async () => {
    await from.repository('app').pushImage(one, 'v1')
    const client = clientOf(from.host)
    from.intercept = request => {
      request.query.delete('mount')
      request.query.delete('from')
      return undefined
    }
    await copy('v1', { sourceClient: client, targetClient: client, repository: 'other' })
    expect(from.count(/^POST .*other.blobs.* 202/)).toBe(7)
    expect(await from.repository('other').missing(one)).toEqual([])
  })

  it('moves four blobs at a time at most', async () => {
    await from.repository('app').pushImage(image('wide', { layers: 12 }), 'v1')
    let [now, most] = [0, 0]
    const four = Promise.withResolvers<void>()
    to.intercept = async ({ method }) => {
      if (method !== 'PUT') return undefined
      most = Math.max(most, ++now)
      if (now === 4) setTimeout(four.resolve, 20) // a fifth would come meanwhile
      await four.promise
      now--
      return undefined
    }
    await copy('v1')
    expect(most).toBe(4)
  })

  it('of a blob with wrong bytes fails, and the target gets no manifest', async () => {
    await from.repository('app').pushImage(one, 'v1')
    const layer = one.blobs[3]
    from.change = (response, { path, method }) =>
      method === 'GET' && path.endsWith(layer?.digest ?? '')
        ? { ...response, body: Buffer.alloc(layer?.size ?? 0) }
        : response
    await expect(copy('v1')).rejects.toThrow(
      `blob ${layer?.digest} of ${from.host}/app has other bytes than its digest says`,
    )
    expect(to.count(/manifests.* 201/)).toBe(0)
  })

  it('fails with one sentence when the target vanishes', async () => {
    await from.repository('app').pushImage(one, 'v1')
    from.intercept = ({ path }) => {
      if (path.includes('/blobs/')) void to.stop()
      return undefined
    }
    await expect(copy('v1')).rejects.toThrow(new RegExp(`^cannot reach ${to.host}: .*`))
  })

  it('ends at once when it is aborted', async () => {
    await from.repository('app').pushImage(one, 'v1')
    const controller = new AbortController()
    from.intercept = ({ path }) => {
      if (path.includes('/blobs/')) controller.abort(new Error('interrupted'))
      return undefined
    }
    await expect(copy('v1', { signal: controller.signal })).rejects.toThrow('interrupted')
    expect(to.count(/manifests.* 201/)).toBe(0)
  })
})
