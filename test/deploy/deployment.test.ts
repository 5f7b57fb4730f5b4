import { PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseDigest } from '../../lambda/protocol/digest.ts'
import { parseRepositoryName } from '../../lambda/protocol/name.ts'
import { parseUploadId } from '../../lambda/protocol/reference.ts'
import { DynamoTable } from '../../lambda/store/dynamodb/table.ts'
import { keys } from '../../lambda/store/keys.ts'
import { eventually } from '../support/command.ts'
import { content, image, LAYER } from '../support/images.ts'
import { randomBytesOf } from '../support/random-bytes.ts'
import { TempDir } from '../support/temp-dir.ts'
import { Account } from './account.ts'
import { bootstrap, Deployment } from './deployment.ts'
import { Ministack } from './ministack.ts'
import { bearer, DeployedRegistry, fetchFrom } from './registry.ts'
import { BASE, describeOnMinistack } from './requirements.ts'

const REPOSITORY = 'team/app'
const SCOPE = `repository:${REPOSITORY}:pull,push`
const REGION = 'us-east-1'
const IMAGE = image('deployed')
const [LAYER_OF_IMAGE = content(LAYER, '')] = IMAGE.blobs
/** Changed settings that must not replace a resource. */
const CHANGED = {
  ...BASE,
  pull: 'edge',
  memory: 512,
  requestsPerSecond: 50,
  logRetentionDays: 7,
  graceHours: 48,
  tags: 'owner=me',
}

/**
 * The life of one deployment. Each group continues where the group before it ended, because a deployment takes several seconds of
 * processor time.
 */
describeOnMinistack('A deployment', () => {
  const scratch = new TempDir('longshore-deploy-')
  let ministack: Ministack
  let account: Account
  let deployment: Deployment
  let registry: DeployedRegistry

  beforeAll(async () => {
    ministack = await Ministack.start()
    const place = { ministack, scratch, region: REGION }
    account = new Account(ministack, REGION)
    deployment = new Deployment(place)
    registry = new DeployedRegistry(ministack, deployment, account)
    await bootstrap(place)
    await deployment.deploy(BASE)
  })

  afterAll(async () => {
    await ministack?.stop()
    scratch.remove()
  })

  const functionOf = async (part: string) =>
    (await deployment.resources()).find(
      ({ type, logicalId }) => type === 'AWS::Lambda::Function' && logicalId.startsWith(part),
    )?.physicalId ?? ''
  const edgeKeys = async () => {
    const resources = await deployment.resources()
    const store = resources.find(({ type }) => type === 'AWS::CloudFront::KeyValueStore')
    return account.keyValues(`arn:aws:cloudfront::123456789012:key-value-store/${store?.physicalId}`)
  }

  describe('after its creation', () => {
    it('answers requests with the edge header', async () => {
      const { status, headers } = await registry.send('/v2/')
      expect(status).toBe(401)
      expect(headers['www-authenticate']).toContain('Bearer realm=')
    })

    it("refuses requests to the API's own address", async () => {
      expect((await registry.sendToApi('/v2/')).status).toBe(403)
    })

    it('has the first administrator with the generated password', async () => {
      await expect(registry.token(SCOPE)).resolves.toMatch(/^ey/)
    })

    it('has stored in the KeyValueStore the key of signed URLs and no token key', async () => {
      const { edgeKeys: stored } = await account.edgeSecret('/longshore/edge-secret')
      expect(stored).toHaveLength(1)
      expect(await edgeKeys()).toEqual({ keys: stored.join(), auth: 'on', unsigned: '0' })
    })

    it('stores an image and serves it', async () => {
      await registry.push(REPOSITORY, '1', IMAGE)
      const { manifest, location } = await registry.pull(REPOSITORY, '1', LAYER_OF_IMAGE)
      expect(manifest).toEqual(IMAGE.manifest.bytes)
      expect((await fetchFrom(ministack, location)).bytes).toEqual(LAYER_OF_IMAGE.bytes)
    })

    it('refuses a blob request without a valid signature', async () => {
      const { location } = await registry.pull(REPOSITORY, '1', LAYER_OF_IMAGE)
      const forged = location.replace(/X-Amz-Expires=\d+/, 'X-Amz-Expires=86400')
      expect((await fetchFrom(ministack, forged)).status).toBe(403)
      expect((await fetchFrom(ministack, location.split('?')[0] ?? '')).status).toBe(403)
    })

    it('adopts a direct upload when S3 reports the object', async () => {
      const blob = content(LAYER, randomBytesOf('direct', 5000))
      const session = await registry.openUpload(REPOSITORY, await registry.token(SCOPE))
      const [, id = ''] = /uploads\/([^?]+)/.exec(session) ?? []
      const ChecksumSHA256 = Buffer.from(blob.digest.slice('sha256:'.length), 'hex').toString('base64')
      const Key = `direct/${parseUploadId(id)}/${REPOSITORY}`
      const Bucket = deployment.output('BucketName')
      await account.s3.send(
        new PutObjectCommand({ Bucket, Key, Body: blob.bytes, ChecksumSHA256, IfNoneMatch: '*' }),
      )
      const table = new DynamoTable(account.dynamo, deployment.output('TableName'))
      const link = keys.link(parseRepositoryName(REPOSITORY), parseDigest(blob.digest))
      expect(
        await eventually(
          () => table.get(link),
          () => ministack.log,
        ),
      ).toMatchObject({ object: Key })
    })

    it('runs the collector without an error', async () => {
      expect(await account.invoke(await functionOf('FunctionsCollector'), {})).toBeUndefined()
    })

    it('protects the table', async () => {
      const table = await account.table(deployment.output('TableName'))
      expect(table?.DeletionProtectionEnabled).toBe(true)
    })
  })

  describe('after an update of settings', () => {
    let before: Record<string, string>

    beforeAll(async () => {
      before = await deployment.physicalIds()
      await deployment.deploy(CHANGED)
    })

    it('has replaced nothing', async () => {
      expect(await deployment.physicalIds()).toMatchObject(before)
    })

    it('serves the image from before, through CloudFront now', async () => {
      const { manifest, location } = await registry.pull(REPOSITORY, '1', LAYER_OF_IMAGE)
      expect(manifest).toEqual(IMAGE.manifest.bytes)
      expect(location).toMatch(/^\/pull\//)
    })
  })

  describe('after a rotation of the secrets', () => {
    let before: Record<string, string>
    let oldToken: string
    let openSession: string
    let oldKeys: readonly string[]

    beforeAll(async () => {
      before = await deployment.physicalIds()
      oldToken = await registry.token(SCOPE)
      openSession = await registry.openUpload(REPOSITORY, oldToken)
      oldKeys = (await account.edgeSecret('/longshore/edge-secret')).edgeKeys
      await deployment.deploy({ ...CHANGED, secretGeneration: '2' })
    })

    it('has a new key first and the previous key second', async () => {
      const { edgeKeys: stored } = await account.edgeSecret('/longshore/edge-secret')
      expect(stored).toEqual([expect.not.stringContaining(oldKeys[0] ?? ''), oldKeys[0]])
    })

    it('has stored both keys in the KeyValueStore', async () => {
      const { edgeKeys: stored } = await account.edgeSecret('/longshore/edge-secret')
      expect(await edgeKeys()).toEqual({ keys: stored.join(), auth: 'on', unsigned: '0' })
    })

    it('has replaced nothing', async () => {
      expect(await deployment.physicalIds()).toEqual(before)
    })

    it('accepts a token and finishes an upload from before', async () => {
      const blob = content(LAYER, randomBytesOf('rotation', 3000))
      await registry.closeUpload(openSession, oldToken, blob)
      const headers = bearer(oldToken)
      const { status } = await registry.send(`/v2/${REPOSITORY}/blobs/${blob.digest}`, {
        method: 'HEAD',
        headers,
      })
      expect(status).toBe(307)
    })

    it('accepts logins', async () => {
      await expect(registry.token(SCOPE)).resolves.toMatch(/^ey/)
    })
  })

  describe('after its deletion with retain=on', () => {
    let table: string
    let bucket: string
    let keptKeys: readonly string[]

    beforeAll(async () => {
      table = deployment.output('TableName')
      bucket = deployment.output('BucketName')
      keptKeys = (await account.edgeSecret('/longshore/edge-secret')).edgeKeys
      await deployment.destroy()
    })

    it('has deleted all resources but the table and the bucket', async () => {
      expect(await deployment.retained()).toEqual([
        'AWS::DynamoDB::GlobalTable DELETE_SKIPPED',
        'AWS::S3::Bucket DELETE_SKIPPED',
      ])
    })

    it('has retained the table, the bucket and the parameter', async () => {
      expect(await account.hasTable(table)).toBe(true)
      expect(await account.hasBucket(bucket)).toBe(true)
      expect(await account.hasParameter('/longshore/edge-secret')).toBe(true)
    })

    it('can be deployed again without touching the retained data', async () => {
      await deployment.deploy(BASE)
      expect(deployment.output('TableName')).not.toBe(table)
      expect(deployment.output('BucketName')).not.toBe(bucket)
      await expect(registry.token(SCOPE)).resolves.toMatch(/^ey/)
      expect(await account.hasTable(table)).toBe(true)
      expect(await account.hasBucket(bucket)).toBe(true)
    })

    it('uses the retained secret', async () => {
      expect((await account.edgeSecret('/longshore/edge-secret')).edgeKeys).toContain(keptKeys[0])
    })
  })
})
