import { createHash, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { HttpResponse } from '../../lambda/http/message.ts'
import { OCI_IMAGE, OCI_INDEX } from '../../lambda/protocol/media-types.ts'
import { createRegistryApp } from '../../lambda/registry-app.ts'
import { bytesOf } from '../support/bytes.ts'
import { MemoryBlobs } from '../support/memory-blobs.ts'
import { MemoryTable } from '../support/memory-table.ts'

const HOUR = 60 * 60 * 1000

/** The calls of the ports that an operation makes, in the columns of the table in docs/architecture.md. */
interface Cost {
  readonly get: number
  readonly getMany: number
  readonly query: number
  readonly transact: number
  /** The sum of the writes of all transactions. */
  readonly writes: number
  /** Calls of the blob store that do I/O, in order. */
  readonly store: string
}

/** Prepares a registry for the operation, and returns the operation. */
type Scene = (registry: Registry) => Promise<() => Promise<unknown>>

const SCENES: Readonly<Record<string, Scene>> = {
  'GET /v2/': async r => () => r.send('GET', '/v2/'),
  'HEAD manifest by tag': async r => {
    await r.pushImage('v1')
    return () => r.send('HEAD', '/v2/app/manifests/v1')
  },
  'GET manifest by tag': async r => {
    await r.pushImage('v1')
    return () => r.send('GET', '/v2/app/manifests/v1')
  },
  'HEAD or GET manifest by digest': async r => {
    const digest = await r.pushImage('v1')
    return () => r.send('GET', `/v2/app/manifests/${digest}`)
  },
  'GET manifest by digest, above 350 KB': async r => {
    const digest = await r.pushImage('v1', imageOf(LAYERS, { note: 'x'.repeat(350_000) }))
    return () => r.send('GET', `/v2/app/manifests/${digest}`)
  },
  'GET manifest by tag, not modified': async r => {
    const digest = await r.pushImage('v1')
    return () => r.send('GET', '/v2/app/manifests/v1', '', undefined, { 'if-none-match': `"${digest}"` })
  },
  'GET manifest by digest, above 350 KB, not modified': async r => {
    const digest = await r.pushImage('v1', imageOf(LAYERS, { note: 'x'.repeat(350_000) }))
    return () =>
      r.send('GET', `/v2/app/manifests/${digest}`, '', undefined, { 'if-none-match': `"${digest}"` })
  },
  'GET blob': async r => {
    await r.pushBlob('layer')
    return () => r.send('GET', `/v2/app/blobs/${digestOf('layer')}`)
  },
  'HEAD blob': async r => {
    await r.pushBlob('layer')
    return () => r.send('HEAD', `/v2/app/blobs/${digestOf('layer')}`)
  },
  'HEAD blob, last touched more than a quarter of the grace period ago': async r => {
    await r.pushBlob('layer')
    r.wait(7 * HOUR)
    return () => r.send('HEAD', `/v2/app/blobs/${digestOf('layer')}`)
  },
  'POST upload': async r => () => r.send('POST', UPLOADS),
  'PATCH upload': async r => {
    const session = await r.begin()
    return () => r.send('PATCH', session, 'layer')
  },
  'GET upload': async r => {
    const session = await r.begin()
    return () => r.send('GET', session)
  },
  'DELETE upload': async r => {
    const session = await r.begin()
    return () => r.send('DELETE', session)
  },
  'PUT upload with the complete blob': async r => {
    const session = await r.begin()
    return () => r.send('PUT', `${session}?digest=${digestOf('layer')}`, 'layer')
  },
  'PUT upload after a PATCH': async r => {
    const session = await r.begin()
    await r.send('PATCH', session, 'layer')
    return () => r.send('PUT', `${session}?digest=${digestOf('layer')}`)
  },
  'POST upload with the complete blob': async r => () =>
    r.send('POST', `${UPLOADS}?digest=${digestOf('layer')}`, 'layer'),
  'POST upload with a blob that the repository holds': async r => {
    await r.pushBlob('layer')
    return () => r.send('POST', `${UPLOADS}?digest=${digestOf('layer')}`, 'layer')
  },
  'POST mount': async r => {
    await r.pushBlob('layer', 'base')
    return () => r.send('POST', `${UPLOADS}?mount=${digestOf('layer')}&from=base`)
  },
  'DELETE blob': async r => {
    await r.pushBlob('layer')
    return () => r.send('DELETE', `/v2/app/blobs/${digestOf('layer')}`)
  },
  'PUT manifest, the first of its repository': async r => {
    await r.pushBlobs(LAYERS)
    return () => r.putManifest('v1', imageOf(LAYERS))
  },
  'PUT manifest that moves a tag': async r => {
    await r.pushImage('v1')
    await r.pushBlobs(['new'])
    return () => r.putManifest('v1', imageOf(['new', ...LAYERS.slice(1)]))
  },
  'PUT manifest, repeated': async r => {
    await r.pushImage('v1')
    return () => r.putManifest('v1', imageOf(LAYERS))
  },
  'PUT index of two manifests': async r => {
    const children = [imageOf(LAYERS), imageOf(LAYERS.slice(1))]
    for (const child of children) await r.pushImage('v1', child)
    return () => r.putManifest('v2', indexOf(children))
  },
  'PUT index of two manifests, repeated': async r => {
    const children = [imageOf(LAYERS), imageOf(LAYERS.slice(1))]
    for (const child of children) await r.pushImage('v1', child)
    await r.putManifest('v2', indexOf(children))
    return () => r.putManifest('v2', indexOf(children))
  },
  'PUT manifest with 60 layers': async r => {
    const layers = Array.from({ length: 60 }, (_, i) => `layer ${i}`)
    await r.pushBlobs(layers)
    return () => r.putManifest('v1', imageOf(layers))
  },
  'PUT manifest above 350 KB': async r => {
    await r.pushBlobs(LAYERS)
    return () => r.putManifest('v1', imageOf(LAYERS, { note: 'x'.repeat(350_000) }))
  },
  'DELETE manifest by tag': async r => {
    await r.pushImage('v1')
    return () => r.send('DELETE', '/v2/app/manifests/v1')
  },
  'DELETE manifest by digest, with one tag': async r => {
    const digest = await r.pushImage('v1')
    return () => r.send('DELETE', `/v2/app/manifests/${digest}`)
  },
  'GET tags': async r => {
    await r.pushImage('v1')
    return () => r.send('GET', '/v2/app/tags/list')
  },
  'GET referrers, fewer than 100': async r => {
    const digest = await r.pushImage('v1')
    return () => r.send('GET', `/v2/app/referrers/${digest}`)
  },
  'GET catalog': async r => () => r.send('GET', '/v2/_catalog'),
  'Collector run, nothing due': async r => {
    await r.pushImage('v1')
    return () => r.collect()
  },
}

const UPLOADS = '/v2/app/blobs/uploads/'
const LAYERS = ['one layer', 'another layer']

describe('the table of port calls in docs/architecture.md', () => {
  const documented = readTable()

  it('lists the operations that are counted here', () => {
    expect([...documented.keys()]).toEqual(Object.keys(SCENES))
  })

  it.each(Object.entries(SCENES))('has the exact calls of: %s', async (name, scene) => {
    const registry = new Registry()
    const operation = await scene(registry)

    const cost = await registry.costOf(operation)

    expect(documented.get(name)).toEqual(cost)
  })
})

/** An in-memory registry that counts the calls of its ports. */
class Registry {
  readonly #table = new MemoryTable()
  readonly #store = new MemoryBlobs()
  #calls: { readonly port: 'table' | 'store'; readonly name: string; readonly writes: number }[] = []
  #now = 1_000 * HOUR
  readonly #parts = createRegistryApp({
    table: this.#counted(this.#table, 'table'),
    store: this.#counted(this.#store, 'store'),
    clock: () => this.#now,
    newId: randomUUID,
    gracePeriod: 24 * HOUR,
    uploadLifetime: 24 * HOUR,
  })

  async costOf(operation: () => Promise<unknown>): Promise<Cost> {
    this.#calls = []
    await operation()
    const table = this.#calls.filter(call => call.port === 'table')
    const count = (name: string) => table.filter(call => call.name === name).length
    const store = this.#calls.filter(
      ({ port, name }) => port === 'store' && !['begin', 'presign'].includes(name),
    )
    return {
      get: count('get'),
      getMany: count('getMany'),
      query: count('query'),
      transact: count('transact'),
      writes: table.reduce((sum, call) => sum + call.writes, 0),
      store: store.map(call => call.name).join(', '),
    }
  }

  /** Sends a request. The response must be a success or 304. */
  async send(
    method: string,
    target: string,
    body = '',
    contentType?: string,
    more: Record<string, string> = {},
  ): Promise<HttpResponse> {
    const [path = '', ...query] = target.split('?')
    const headers = { 'content-length': String(body.length), 'content-type': contentType, ...more }
    const request = {
      method,
      path,
      query: new URLSearchParams(query.join('?')),
      headers,
      body: bytesOf(body),
    }
    const { response } = await this.#parts.app(request)
    expect(response?.status).toBeLessThan(305)
    return response as HttpResponse
  }

  async begin(): Promise<string> {
    return (await this.send('POST', UPLOADS)).headers.location ?? ''
  }

  pushBlob(content: string, name = 'app') {
    return this.send('POST', `/v2/${name}/blobs/uploads/?digest=${digestOf(content)}`, content)
  }

  async pushBlobs(contents: readonly string[]) {
    for (const content of ['{}', ...contents]) await this.pushBlob(content)
  }

  async putManifest(tag: string, document: string): Promise<string> {
    await this.send('PUT', `/v2/app/manifests/${tag}`, document, JSON.parse(document).mediaType)
    return digestOf(document)
  }

  async pushImage(tag: string, document = imageOf(LAYERS)): Promise<string> {
    await this.pushBlobs(LAYERS)
    return this.putManifest(tag, document)
  }

  collect() {
    return this.#parts.collector.run()
  }

  wait(milliseconds: number): void {
    this.#now += milliseconds
  }

  #counted<T extends object>(target: T, port: 'table' | 'store'): T {
    return new Proxy(target, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name)
        if (typeof member !== 'function') return member
        return (...args: unknown[]) => {
          this.#calls.push({ port, name: String(name), writes: name === 'transact' ? args.length : 0 })
          return member.apply(target, args)
        }
      },
    })
  }
}

function readTable(): Map<string, Cost> {
  const text = readFileSync(new URL('../../docs/architecture.md', import.meta.url), 'utf8')
  const [, section = ''] = text.split('| get | getMany | query | transact | writes | store |')
  const [table = ''] = section.split('\n\n')
  const rows = table.split('\n').slice(2)
  const cells = rows.map(row =>
    row
      .split('|')
      .slice(1, -1)
      .map(cell => cell.trim()),
  )
  return new Map(
    cells.map(([name = '', get, getMany, query, transact, writes, store = '']) => [
      name,
      {
        get: Number(get),
        getMany: Number(getMany),
        query: Number(query),
        transact: Number(transact),
        writes: Number(writes),
        store,
      },
    ]),
  )
}

function digestOf(content: string): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`
}

function descriptorOf(content: string, mediaType: string) {
  return { mediaType, digest: digestOf(content), size: content.length }
}

function imageOf(layers: readonly string[], annotations: Readonly<Record<string, string>> = {}): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: OCI_IMAGE,
    config: descriptorOf('{}', 'application/vnd.oci.image.config.v1+json'),
    layers: layers.map(layer => descriptorOf(layer, 'application/vnd.oci.image.layer.v1.tar')),
    annotations,
  })
}

function indexOf(manifests: readonly string[]): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: manifests.map(manifest => descriptorOf(manifest, OCI_IMAGE)),
  })
}
