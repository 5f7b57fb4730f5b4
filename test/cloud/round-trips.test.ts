import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DynamoDBLocal } from '../support/dynamodb-local.ts'
import { content, descriptor, IMAGE } from '../support/images.ts'
import { digestOf, randomBytesOf } from '../support/random-bytes.ts'
import { S3Server } from '../support/s3-server.ts'
import { DeployedRegistry } from './deployed-registry.ts'
import { describeInCloud } from './requirements.ts'

const MiB = 2 ** 20

/** Prepares a new repository for an operation and returns the operation. */
type Operation = (r: Repository) => Promise<() => Promise<unknown>>

const OPERATIONS: Readonly<Record<string, Operation>> = {
  'HEAD manifest by tag': async r => {
    await r.pushImage()
    return () => r.send(200, 'HEAD', '/manifests/v1')
  },
  'GET manifest by tag': async r => {
    await r.pushImage()
    return () => r.send(200, 'GET', '/manifests/v1')
  },
  'GET or HEAD manifest by digest': async r => {
    const digest = await r.pushImage()
    return () => r.send(200, 'GET', `/manifests/${digest}`)
  },
  'GET manifest by digest, above 350 KB': async r => {
    const digest = await r.pushImage({ note: 'x'.repeat(350_000) })
    return () => r.send(200, 'GET', `/manifests/${digest}`)
  },
  'GET blob': async r => {
    const digest = await r.pushBlob()
    return () => r.send(307, 'GET', `/blobs/${digest}`)
  },
  'HEAD blob': async r => {
    const digest = await r.pushBlob()
    return () => r.send(307, 'HEAD', `/blobs/${digest}`)
  },
  'HEAD missing blob': async r => () => r.send(404, 'HEAD', `/blobs/${digestOf(r.bytes(10))}`),
  'HEAD missing blob, with two open direct uploads': async r => {
    await r.begin()
    await r.begin()
    return () => r.send(404, 'HEAD', `/blobs/${digestOf(r.bytes(10))}`)
  },
  'HEAD blob of a direct upload that is not adopted yet': async r => {
    const { digest } = await r.writeDirectly()
    return () => r.send(307, 'HEAD', `/blobs/${digest}`)
  },
  'POST upload': async r => () => r.begin(),
  'Adoption after the event of a direct upload': async r => {
    const { upload } = await r.writeDirectly()
    return () => r.adopt(upload)
  },
  'PUT upload with the complete blob': async r => {
    const [upload, bytes] = [await r.begin(), r.bytes(1000)]
    return () => r.send(201, 'PUT', `${upload}&digest=${digestOf(bytes)}`, bytes)
  },
  'PATCH upload with a first chunk of 4 MiB': async r => {
    const [upload, bytes] = [await r.begin(), r.bytes(4 * MiB)]
    return () => r.send(202, 'PATCH', upload, bytes)
  },
  'PATCH upload with a second chunk of 4 MiB, which fills a part': async r => {
    const [upload, bytes] = [await r.begin(), r.bytes(4 * MiB)]
    await r.send(202, 'PATCH', upload, bytes)
    return () => r.send(202, 'PATCH', upload, bytes)
  },
  'PUT upload after a chunk of one byte: the commit': async r => {
    const upload = await r.patch([1])
    return () => r.send(201, 'PUT', upload)
  },
  'PUT upload after 8 MiB in chunks: the commit': async r => {
    const upload = await r.patch([4 * MiB, 4 * MiB])
    return () => r.send(201, 'PUT', upload)
  },
  'PUT upload after 50 MiB in chunks: the commit': async r => {
    const upload = await r.patch([...Array(12).fill(4 * MiB), 2 * MiB])
    return () => r.send(201, 'PUT', upload)
  },
  'POST upload with the complete blob': async r => {
    const bytes = r.bytes(1000)
    return () => r.send(201, 'POST', `/blobs/uploads/?digest=${digestOf(bytes)}`, bytes)
  },
  'POST mount': async r => {
    const digest = await r.pushBlob()
    const other = new Repository(r.registry, r.write)
    return () => other.send(201, 'POST', `/blobs/uploads/?mount=${digest}&from=${r.name}`)
  },
  'GET upload': async r => {
    const upload = await r.begin()
    return () => r.send(204, 'GET', upload)
  },
  'DELETE upload': async r => {
    const upload = await r.begin()
    return () => r.send(204, 'DELETE', upload)
  },
  'PUT manifest, the first of its repository': async r => {
    const manifest = await r.prepare()
    return () => r.putManifest(manifest)
  },
  'PUT manifest, repeated': async r => {
    const manifest = await r.prepare()
    await r.putManifest(manifest)
    return () => r.putManifest(manifest)
  },
  'PUT manifest with 60 layers': async r => {
    const manifest = await r.prepare({}, 60)
    return () => r.putManifest(manifest)
  },
  'PUT manifest above 350 KB': async r => {
    const manifest = await r.prepare({ note: 'x'.repeat(350_000) })
    return () => r.putManifest(manifest)
  },
  'PUT manifest with a layer of a direct upload': async r => {
    const { digest, size } = await r.writeDirectly()
    const manifest = await r.prepare({}, 0, [{ mediaType: 'a/b', digest, size }])
    return () => r.putManifest(manifest)
  },
  'DELETE manifest by tag': async r => {
    await r.pushImage()
    return () => r.send(202, 'DELETE', '/manifests/v1')
  },
  'DELETE manifest by digest, with one tag': async r => {
    const digest = await r.pushImage()
    return () => r.send(202, 'DELETE', `/manifests/${digest}`)
  },
  'DELETE blob': async r => {
    const digest = await r.pushBlob()
    return () => r.send(202, 'DELETE', `/blobs/${digest}`)
  },
  'GET tags': async r => {
    await r.pushImage()
    return () => r.send(200, 'GET', '/tags/list')
  },
  'GET referrers': async r => {
    const digest = await r.pushImage()
    return () => r.send(200, 'GET', `/referrers/${digest}`)
  },
}

describeInCloud({}, 'the table of commands in docs/architecture.md', () => {
  const documented = readTable()
  let dynamo: DynamoDBLocal
  let s3: S3Server
  let registry: DeployedRegistry
  beforeAll(async () => {
    ;[dynamo, s3] = await Promise.all([DynamoDBLocal.start(), S3Server.start()])
    await dynamo.createTable('registry')
    registry = new DeployedRegistry(dynamo, s3, 'registry')
  })
  afterAll(() => Promise.all([dynamo?.stop(), s3?.stop()]))

  const write = (key: string, bytes: Buffer) =>
    s3.client.send(
      new PutObjectCommand({
        Bucket: s3.settings.bucket,
        Key: key,
        Body: bytes,
        ChecksumSHA256: Buffer.from(digestOf(bytes).slice(7), 'hex').toString('base64'),
      }),
    )

  it('lists the operations of this test', () => {
    expect([...documented.keys()]).toEqual(Object.keys(OPERATIONS))
  })

  it.each(Object.entries(OPERATIONS))('%s', async (name, prepare) => {
    const operation = await prepare(new Repository(registry, write))

    expect(await registry.commandsOf(operation)).toEqual(documented.get(name))
  })

  describe('has', () => {
    const of = (name: string) => documented.get(name) ?? { DynamoDB: '', S3: '' }

    it('one read for HEAD of a manifest by tag, two for GET', () => {
      expect(of('HEAD manifest by tag')).toEqual({ DynamoDB: 'GetItem', S3: '–' })
      expect(of('GET manifest by tag')).toEqual({ DynamoDB: '2 GetItem', S3: '–' })
    })

    it('one read and no S3 request for a blob', () => {
      expect(of('GET blob')).toEqual({ DynamoDB: 'GetItem', S3: '–' })
    })

    it('one transaction and no copy for a commit of any size', () => {
      const commits = [...documented].filter(([name]) => name.endsWith('the commit'))
      expect(commits).toHaveLength(3)
      for (const [, { DynamoDB, S3 }] of commits) {
        expect(DynamoDB.match(/(\d+ )?TransactWriteItems/)?.[1]).toBeUndefined()
        expect(S3).not.toContain('Copy')
      }
    })
  })
})

/** A repository for one operation, with random content. */
class Repository {
  readonly name = `operation/${randomUUID()}`
  readonly registry: DeployedRegistry
  readonly write: (key: string, bytes: Buffer) => Promise<unknown>
  constructor(registry: DeployedRegistry, write: (key: string, bytes: Buffer) => Promise<unknown>) {
    this.registry = registry
    this.write = write
  }

  bytes(size: number): Buffer {
    return randomBytesOf(randomUUID(), size)
  }

  /** @param path relative to the repository, or a complete path */
  async send(status: number, method: string, path: string, body?: string | Uint8Array, type?: string) {
    const target = path.startsWith('/v2/') ? path : `/v2/${this.name}${path}`
    const response = await this.registry.send(method, target, body, type)
    expect(response.status, `${method} ${path}: ${response.body}`).toBe(status)
    return response
  }

  async begin(): Promise<string> {
    return (await this.send(202, 'POST', '/blobs/uploads/')).headers.location ?? ''
  }

  /** Sends chunks. @returns the URL of the PUT that ends the upload */
  async patch(sizes: readonly number[]): Promise<string> {
    const upload = await this.begin()
    const chunks = sizes.map(size => this.bytes(size))
    for (const chunk of chunks) await this.send(202, 'PATCH', upload, chunk)
    return `${upload}&digest=${digestOf(chunks)}`
  }

  async pushBlob(bytes = this.bytes(1000)): Promise<string> {
    const digest = digestOf(bytes)
    await this.send(201, 'POST', `/blobs/uploads/?digest=${digest}`, bytes)
    return digest
  }

  async writeDirectly() {
    const bytes = this.bytes(1000)
    const [, upload = ''] = /\/([^/?]+)\?/.exec(await this.begin()) ?? []
    await this.write(`direct/${upload}/${this.name}`, bytes)
    return { upload, digest: digestOf(bytes), size: bytes.length }
  }

  adopt(upload: string) {
    return this.registry.app.directUploads.adopt({ name: this.name, upload } as never)
  }

  /** Pushes the blobs of a manifest. @returns the manifest */
  async prepare(annotations: Record<string, string> = {}, layers = 2, others: object[] = []) {
    const blobs = Array.from({ length: layers }, () => content('a/layer', this.bytes(100)))
    const config = content('application/vnd.oci.image.config.v1+json', this.bytes(100))
    for (const { bytes } of [config, ...blobs]) await this.pushBlob(bytes)
    const document = {
      ...{ schemaVersion: 2, mediaType: IMAGE, annotations },
      ...{ config: descriptor(config), layers: [...blobs.map(descriptor), ...others] },
    }
    return content(IMAGE, document)
  }

  async putManifest({ bytes, digest }: { bytes: Buffer; digest: string }): Promise<string> {
    await this.send(201, 'PUT', '/manifests/v1', bytes, IMAGE)
    return digest
  }

  async pushImage(annotations: Record<string, string> = {}): Promise<string> {
    return this.putManifest(await this.prepare(annotations))
  }
}

function readTable(): Map<string, { DynamoDB: string; S3: string }> {
  const text = readFileSync(new URL('../../docs/architecture.md', import.meta.url), 'utf8')
  const [, section = ''] = text.split('| DynamoDB | S3 |')
  const [table = ''] = section.split('\n\n')
  const rows = table.split('\n').slice(2)
  return new Map(
    rows.map(row => {
      const [, name = '', DynamoDB = '', S3 = ''] = row.split('|').map(cell => cell.trim())
      return [name, { DynamoDB, S3 }]
    }),
  )
}
