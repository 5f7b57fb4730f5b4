import { describe, expect, it } from 'vitest'
import { clientFamily } from '../../../lambda/aws/relay/client-family.ts'
import { UploadGate } from '../../../lambda/aws/relay/upload-gate.ts'
import { RelayWorld, SECOND } from './fixture.ts'

const DOCKER =
  'docker/28.5.2 go/go1.25 git-commit/abc kernel/6.8 os/linux arch/amd64 UpstreamClient(Docker-Client/28.5.2)'
const DOCKER_29 =
  'docker/29.0.0 go/go1.25 containerd-client/2.2.0 storage-driver/overlayfs UpstreamClient(Docker-Client/29.0.0)'
const PODMAN = 'containers/5.36 (github.com/containers/image)'
const CRANE = 'crane/v0.21.9 go-containerregistry/v0.21.9'
const COSIGN = 'cosign/v3.1.3 (linux; amd64) go-containerregistry/v0.21.9'
const JIB = 'jib 3.5.0 jib-maven-plugin Google-HTTP-Java-Client/1.42.2 (gzip)'

describe('the family of a client', () => {
  it.each([
    [DOCKER, 'docker'],
    [DOCKER_29, 'put'],
    ['containerd/2.3.4', 'put'],
    ['buildkit/v0.32', 'put'],
    ['oras/1.3.3', 'put'],
    ['Helm/4.3.1', 'put'],
    ['regclient/regctl (v0.11.5)', 'put'],
    [PODMAN, 'containers'],
    ['skopeo/1.9.3', 'containers'],
    ['Buildah/1.28.2', 'containers'],
    [CRANE, 'ggcr'],
    [COSIGN, 'ggcr'],
    ['kaniko/v1.25.0', 'ggcr'],
    ['ko/0.18.0 go-containerregistry/v0.20.6', 'ggcr'],
    [JIB, 'jib'],
    ['curl/8.5.0', 'unknown'],
    [undefined, 'unknown'],
  ])('of %s is %s', (userAgent, family) => {
    expect(clientFamily(userAgent)).toBe(family)
  })
})

function gateOn(world: RelayWorld): UploadGate {
  return new UploadGate(world.waker())
}

describe('an upload that begins while the relay is stopped', () => {
  it.each([DOCKER_29, CRANE, COSIGN])('does not start it by %s', async userAgent => {
    const world = new RelayWorld()
    const gate = gateOn(world)

    await gate.announce(userAgent)
    const start = await gate.beginUpload(userAgent)

    expect(start).toEqual({ kind: 'begin', query: undefined })
    expect(world.starts).toBe(0)
  })

  it.each([DOCKER, PODMAN, JIB, 'curl/8.5.0'])(
    'starts it when a token is requested by %s',
    async userAgent => {
      const world = new RelayWorld()
      await gateOn(world).announce(userAgent)
      expect(world.starts).toBe(1)
    },
  )

  it.each([DOCKER, PODMAN])('waits for it by %s', async userAgent => {
    const start = await gateOn(new RelayWorld()).beginUpload(userAgent)
    expect(start).toEqual({ kind: 'begin', query: 'relay=1' })
  })

  it.each([
    [DOCKER, 503],
    [PODMAN, 429],
    ['curl/8.5.0', 503],
  ])('is refused with a status that %s repeats when the boot takes longer', async (userAgent, status) => {
    const world = new RelayWorld()
    world.boot = 45 * SECOND
    const gate = gateOn(world)

    await expect(gate.beginUpload(userAgent)).rejects.toMatchObject({
      status,
      message: expect.stringContaining('is starting'),
      headers: { 'retry-after': '5' },
    })

    expect(await gate.beginUpload(userAgent)).toMatchObject({ kind: 'begin' })
  })

  it('is repeated by jib within its read timeout', async () => {
    const world = new RelayWorld()
    world.boot = 45 * SECOND
    const began = world.now

    const start = await gateOn(world).beginUpload(JIB)

    expect(start).toEqual({ kind: 'repeat' })
    expect(world.now - began).toBeLessThanOrEqual(15 * SECOND)
  })

  it.each([
    [DOCKER, 403],
    [PODMAN, 403],
    [JIB, 503],
  ])(
    'tells %s by a status whose message it prints why the relay cannot start, and what works without it',
    async (userAgent, status) => {
      const world = new RelayWorld()
      world.refusals.push('InsufficientInstanceCapacity')

      await expect(gateOn(world).beginUpload(userAgent)).rejects.toMatchObject({
        status,
        message: expect.stringMatching(/cannot start: AWS has no capacity .* Docker 29/),
      })
    },
  )
})

describe('a PATCH that was too large for the API', () => {
  it('starts the relay and makes the client repeat the upload', async () => {
    const world = new RelayWorld()
    const gate = gateOn(world)

    await expect(gate.wakeForPatch(CRANE)).rejects.toMatchObject({ status: 503 })

    expect(await gate.beginUpload(CRANE)).toEqual({ kind: 'begin', query: 'relay=1' })
  })
})
