import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { descriptorOf, digest, imageOf, indexOf } from '../support/content.ts'
import { runs } from '../support/property-runs.ts'
import { openRegistry } from '../support/registry.ts'

const REPOSITORIES = ['a', 'a/b', 'a-b']
const BLOBS = ['one', 'two']

const step = fc.record({
  act: fc.constantFrom('push', 'push', 'mount', 'mount from', 'delete', 'manifest', 'delete manifest'),
  name: fc.constantFrom(...REPOSITORIES),
  from: fc.constantFrom(...REPOSITORIES),
  blob: fc.constantFrom(...BLOBS),
})

/** Invariant I5. No request reveals the blobs of another repository (CVE-2024-39897). */
it('a blob is readable in a repository if and only if that repository holds it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async steps => {
      const registry = openRegistry()
      const held = new Set<string>()
      const pushed = new Set<string>()
      for (const { act, name, from, blob } of steps) {
        const mine = `${name} ${blob}`
        const named = digest(blob)
        const manifest = indexOf([descriptorOf(blob)])
        const uploads = `/v2/${name}/blobs/uploads/`
        if (act === 'push') {
          await registry.pushBlob(name, blob)
          held.add(mine)
        } else if (act === 'mount') {
          const isHeld = REPOSITORIES.some(one => held.has(`${one} ${blob}`))
          await registry.expectStatus(isHeld ? 201 : 202, 'POST', `${uploads}?mount=${named}`)
          if (isHeld) held.add(mine)
        } else if (act === 'mount from') {
          const isHeld = held.has(`${from} ${blob}`) || held.has(mine)
          await registry.expectStatus(isHeld ? 201 : 202, 'POST', `${uploads}?mount=${named}&from=${from}`)
          if (isHeld) held.add(mine)
        } else if (act === 'delete') {
          const status = !held.has(mine) ? 404 : pushed.has(mine) ? 405 : 202
          await registry.expectStatus(status, 'DELETE', `/v2/${name}/blobs/${named}`)
          if (status === 202) held.delete(mine)
        } else if (act === 'manifest') {
          const { status } = await registry.putManifest(name, digest(manifest), manifest)
          expect(status).toBe(held.has(mine) ? 201 : 404)
          if (status === 201) pushed.add(mine)
        } else {
          const status = pushed.delete(mine) ? 202 : 404
          await registry.expectStatus(status, 'DELETE', `/v2/${name}/manifests/${digest(manifest)}`)
        }
        for (const repository of REPOSITORIES)
          for (const content of BLOBS)
            for (const method of ['GET', 'HEAD']) {
              const status = held.has(`${repository} ${content}`) ? 200 : 404
              await registry.expectStatus(status, method, `/v2/${repository}/blobs/${digest(content)}`)
            }
      }
    }),
    { numRuns: runs(60) },
  )
})

describe('a blob that a manifest names', () => {
  it('does not become readable in the repository of the manifest', async () => {
    const registry = openRegistry()
    await registry.pushBlob('theirs', 'secret')
    await registry.pushBlob('ours', '{}')
    expect((await registry.putManifest('ours', 'latest', imageOf(['secret']))).status).toBe(404)
    const foreign = descriptorOf('secret', 'application/vnd.oci.image.layer.nondistributable.v1.tar')
    await registry.pushManifest('ours', 'latest', imageOf([], { layers: [foreign] }))
    await registry.pushManifest('ours', 'referrer', imageOf([], { subject: descriptorOf('secret') }))
    await registry.expectStatus(404, 'GET', `/v2/ours/blobs/${digest('secret')}`)
  })

  it('does not become deletable in another repository', async () => {
    const registry = openRegistry()
    const image = await registry.pushImage('theirs', 'latest')
    await registry.expectStatus(404, 'DELETE', `/v2/ours/manifests/${image.digest}`)
    await registry.expectStatus(404, 'DELETE', `/v2/ours/blobs/${digest('layer')}`)
    await registry.expectStatus(200, 'GET', '/v2/theirs/manifests/latest')
  })
})

it('a closing PUT does not reveal the blobs of another repository', async () => {
  const registry = openRegistry()
  await registry.pushBlob('theirs', 'secret')
  const location = await registry.beginUpload('ours')
  await registry.expectStatus(400, 'PUT', `${location}?digest=${digest('secret')}`)
  await registry.expectStatus(404, 'GET', `/v2/ours/blobs/${digest('secret')}`)
})

it('a push to one repository cannot replace the bytes of a digest in another', async () => {
  const registry = openRegistry()
  await registry.pushBlob('theirs', 'good')
  const sent = { body: 'evil' }
  await registry.expectStatus(400, 'POST', `/v2/ours/blobs/uploads/?digest=${digest('good')}`, sent)
  expect((await registry.get(`/v2/theirs/blobs/${digest('good')}`)).text).toBe('good')
})
