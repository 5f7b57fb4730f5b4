import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { image } from '../support/images.ts'
import { TempDir } from '../support/temp-dir.ts'
import { Account } from './account.ts'
import { bootstrap, Deployment } from './deployment.ts'
import { Ministack } from './ministack.ts'
import { bearer, DeployedRegistry } from './registry.ts'
import { BASE, describeOnMinistack } from './requirements.ts'

/** With `retain=off`, because the second part deletes stacks completely. */
const SETTINGS = { ...BASE, retain: 'off' }
const REPOSITORY = 'team/app'
const SCOPE = `repository:${REPOSITORY}:pull,push`
const IMAGE = image('side-by-side')

interface Deployed {
  readonly account: Account
  readonly deployment: Deployment
  readonly registry: DeployedRegistry
}

describeOnMinistack('Deployments side by side', () => {
  const scratch = new TempDir('longshore-deploy-')
  let ministack: Ministack
  let first: Deployed
  let sameRegion: Deployed
  let otherRegion: Deployed

  beforeAll(async () => {
    ministack = await Ministack.start()
    for (const region of ['us-east-1', 'eu-central-1']) await bootstrap({ ministack, scratch, region })
    first = await deploy('us-east-1', 'longshore')
    sameRegion = await deploy('us-east-1', 'second')
    otherRegion = await deploy('eu-central-1', 'longshore')
  })

  afterAll(async () => {
    await ministack?.stop()
    scratch.remove()
  })

  async function deploy(region: string, name: string): Promise<Deployed> {
    const account = new Account(ministack, region)
    const deployment = new Deployment({ ministack, scratch, region }, name)
    await deployment.deploy(SETTINGS)
    return { account, deployment, registry: new DeployedRegistry(ministack, deployment, account) }
  }

  describe.each([
    ['two stacks in one region', () => sameRegion],
    ['one stack in two regions', () => otherRegion],
  ])('%s', (_, other) => {
    it('share no resource', async () => {
      const [mine, theirs] = [await namesOf(first), await namesOf(other())]
      expect(mine.filter(name => theirs.includes(name))).toEqual([])
    })

    it('have secrets of their own', async () => {
      const [mine, theirs] = [await secretOf(first), await secretOf(other())]
      expect(mine.tokenKeys).not.toEqual(theirs.tokenKeys)
      expect(mine.edgeKeys).not.toEqual(theirs.edgeKeys)
    })

    it('have first administrators of their own', async () => {
      const token = await other().registry.token(SCOPE)
      const headers = bearer(token)
      const path = `/v2/${REPOSITORY}/tags/list`
      expect((await other().registry.send(path, { headers })).status).toBe(404)
      expect((await first.registry.send(path, { headers })).status).toBe(401)
    })
  })

  describe('after the deletion of two of them with retain=off', () => {
    beforeAll(async () => {
      await first.registry.push(REPOSITORY, '1', IMAGE)
      await sameRegion.deployment.destroy()
      await otherRegion.deployment.destroy()
    })

    it.each([
      ['the same region', () => sameRegion],
      ['another region', () => otherRegion],
    ])('leave no resource behind in %s', async (_, other) => {
      const { account, deployment } = other()
      expect(await deployment.retained()).toEqual([])
      expect(await account.hasTable(deployment.output('TableName'))).toBe(false)
      expect(await account.hasBucket(deployment.output('BucketName'))).toBe(false)
      expect(await account.hasParameter(deployment.output('SecretName'))).toBe(false)
    })

    it('leave the remaining deployment intact', async () => {
      const [layer] = IMAGE.blobs
      if (!layer) throw new Error('the image has no layer')
      expect((await first.registry.pull(REPOSITORY, '1', layer)).manifest).toEqual(IMAGE.manifest.bytes)
    })
  })
})

/**
 * Names and ids that are unique in the account: those of CloudFront, IAM and S3 in all regions, the others in one. The default stage has
 * the same name in each API, and a custom resource has no name outside its stack.
 */
async function namesOf({ deployment }: Deployed): Promise<string[]> {
  const isGlobal = /^AWS::(CloudFront|IAM|S3)::/
  const all = await deployment.resources()
  return all
    .filter(({ type }) => !/^Custom::|Stage$/.test(type))
    .map(({ type, physicalId }) => `${type} ${isGlobal.test(type) ? '' : deployment.region} ${physicalId}`)
}

function secretOf({ account, deployment }: Deployed) {
  return account.edgeSecret(deployment.output('SecretName'))
}
