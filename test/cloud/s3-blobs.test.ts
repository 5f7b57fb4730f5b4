import { describe, expect, it } from 'vitest'
import { DraftBusy, ObjectMissing } from '../../lambda/store/blobs.ts'
import { Bucket } from '../../lambda/store/s3/bucket.ts'
import { checksumOf } from '../../lambda/store/s3/draft-state.ts'
import { blobsContract } from '../contracts/blobs.ts'
<<<<<<< HEAD
import { jsonRoundTrip } from '../contracts/blobs-model.ts'
import { bytesOf, collect, digestBytes, patternBytes } from '../support/bytes.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { openRegistry } from '../support/registry.ts'
import { describeWith } from '../support/requirements.ts'
import { Crashed, crashingStore, listKeys, recordingStore } from '../support/s3-bucket.ts'
import { S3Server } from '../support/s3-server.ts'

const MiB = 2 ** 20
const PART = 8 * MiB

describeWith({ tools: ['versitygw'] }, 'S3Blobs', () => {
  let server: S3Server
  beforeAll(async () => {
    server = await S3Server.start()
  })
  afterAll(() => server?.stop())

  const open = () => new S3Blobs(server.settings)
  const begin = (store: S3Blobs) => store.begin(randomUUID(), 'sha256')
  const append = async (store: S3Blobs, draft: Draft, bytes: string | Uint8Array) =>
    jsonRoundTrip(await store.append(draft, bytesOf(bytes)))
  const contentOf = async (object: string) => collect(await open().read(object))
  const left = (object: string) => listKeys(server.client, server.settings.bucket, object)
=======
import { bytesOf, digestBytes, patternBytes } from '../support/bytes.ts'
import { describeWithS3, MiB, PART } from './s3-blobs-fixture.ts'

describeWithS3('S3Blobs', fixture => {
  const { open, begin, append, contentOf, left } = fixture
>>>>>>> f6d7aae (cloud tests: give crashes, URLs and request counts of S3Blobs a file each)

  blobsContract(async () => ({ store: open(), reopen: async () => open() }))

  describe('parts', () => {
    it.each([
      ['one part to the byte', [PART]],
      ['a byte more than a part', [PART, 1]],
      ['a byte less, and then two', [PART - 1, 2]],
      ['bodies of Lambda', [4, 4, 4, 4, 3].map(size => size * MiB)],
      ['two parts and a half at once', [2.5 * PART]],
      ['a stream behind a chunk', [3, 3 * PART]],
    ])('make an object of %s', async (_, sizes) => {
      const whole = patternBytes(sizes.reduce((a, b) => a + b))
      let draft = begin(open())
      for (const size of sizes)
        draft = await append(open(), draft, whole.subarray(draft.size, draft.size + size))
      expect(await open().digest(draft, 'sha256')).toBe(digestBytes('sha256', whole))
      await open().commit(draft)

      expect(whole.equals(await contentOf(draft.object))).toBe(true)
      expect(await left(draft.object)).toEqual([`blobs/${draft.object}`])
    })

    it('are read again for another algorithm, and where the process is gone that hashed them', async () => {
      const whole = patternBytes(2 * PART + 10)
      const store = open()
      const first = await append(store, begin(store), whole.subarray(0, PART + 5))
      const here = await append(store, first, whole.subarray(PART + 5))
      expect(await store.digest(here, 'sha256')).toBe(digestBytes('sha256', whole))
      const elsewhere = await append(open(), first, whole.subarray(PART + 5))

      expect(await open().digest(elsewhere, 'sha256')).toBe(digestBytes('sha256', whole))
      expect(await open().digest(elsewhere, 'sha512')).toBe(digestBytes('sha512', whole))
      await open().commit(elsewhere)
      expect(whole.equals(await contentOf(first.object))).toBe(true)
    })

    it('keep the draft small enough for a row, however many there are', async () => {
      const draft = await append(open(), begin(open()), patternBytes(5 * PART + 1))

      expect(JSON.stringify(draft).length).toBeLessThan(1_000)
    })

    it('are gathered in 64 MiB, however long the stream', async () => {
      const piece = patternBytes(64 * 1024)
      let most = 0
      async function* stream() {
        for (let sent = 0; sent < 512 * MiB; sent += piece.length) {
          yield piece
          if (sent % MiB === 0) most = Math.max(most, process.memoryUsage().arrayBuffers)
        }
      }
      const before = process.memoryUsage().arrayBuffers
      const store = open()
      const draft = await store.append(begin(store), stream())
      await store.discard(draft)

      expect((most - before) / MiB).toBeLessThan(64)
    })
  })

  describe('between processes', () => {
    it('gives up a draft whose tail another process has written, and goes on with the other', async () => {
      const kept = await append(open(), begin(open()), 'both, ')
      const one = await append(open(), kept, 'one')
      const two = await append(open(), kept, 'two')

      await expect(append(open(), one, '!')).rejects.toBeInstanceOf(DraftBusy)
      await expect(open().commit(one)).rejects.toBeInstanceOf(DraftBusy)
      await open().commit(await append(open(), two, '!'))
      expect((await contentOf(kept.object)).toString()).toBe('both, two!')
    })

    it('gives up a draft one of whose parts another process has written', async () => {
      const kept = await append(open(), begin(open()), patternBytes(PART + 1))
      const one = await append(open(), kept, patternBytes(PART, 1))
      const two = await append(open(), kept, patternBytes(PART, 2))

      await expect(open().commit(one)).rejects.toBeInstanceOf(DraftBusy)
      expect(await open().stat(kept.object)).toBeUndefined()
      await open().commit(two)
      await expect(open().commit(one)).rejects.toBeInstanceOf(DraftBusy)
      expect(await open().stat(kept.object)).toEqual({ size: 2 * PART + 1 })
    })

    it('takes the same bytes twice, from a client that lost its patience', async () => {
      const kept = await append(open(), begin(open()), patternBytes(PART + 1))
      const again = () => append(open(), kept, patternBytes(PART, 1))
      const [one] = await Promise.all([again(), again()])
      await open().commit(one)

      expect(await open().stat(kept.object)).toEqual({ size: 2 * PART + 1 })
    })

    it.each([1, PART + 1])('lets all succeed that commit one draft of %i bytes at once', async size => {
      const draft = await append(open(), begin(open()), patternBytes(size))
      await Promise.all(Array.from({ length: 4 }, () => open().commit(draft).catch(busy)))
      await open().commit(draft)

      expect(await open().stat(draft.object)).toEqual({ size })
    })

    it.each(['committed', 'discarded'])('finds no draft to go on with that another has %s', async done => {
      const draft = await append(open(), begin(open()), patternBytes(PART))
      await (done === 'committed' ? open().commit(draft) : open().discard(draft))

      await expect(append(open(), draft, patternBytes(PART, 1))).rejects.toBeInstanceOf(ObjectMissing)
    })

    it('lets one of two closing requests with different bytes succeed', async () => {
      const draft = begin(open())
      const close = async (bytes: string) => {
        const closed = await open().append(draft, bytesOf(bytes), digestBytes('sha256', bytes))
        await open().commit(closed)
        return bytes
      }
      const outcomes = await Promise.all(['one', 'two'].map(bytes => close(bytes).catch(busy)))
      const won = outcomes.filter(outcome => outcome !== undefined)

      expect(won).toEqual([(await contentOf(draft.object)).toString()])
    })
  })

<<<<<<< HEAD
  describe('after a crash', () => {
    const chunks = [4 * MiB, 4 * MiB + 100, 3 * MiB].map((size, seed) => patternBytes(size, seed + 1))
    const whole = Buffer.concat(chunks)

    /** Each step is repeated by the next process, from the last draft that was kept. */
    const upload = async (object: string, stores: Iterator<S3Blobs, S3Blobs>, closing: boolean) => {
      let store = stores.next().value
      let crashes = 0
      const attempt = async <T>(step: () => Promise<T>): Promise<T> => {
        try {
          return await step()
        } catch (error) {
          if (!(error instanceof Crashed)) throw error
          crashes++
          store = stores.next().value
          return step()
        }
      }
      let draft = store.begin(object, 'sha256')
      for (const chunk of chunks) {
        const last = closing && chunk === chunks.at(-1)
        const digest = last ? digestBytes('sha256', whole) : undefined
        draft = await attempt(async () => jsonRoundTrip(await store.append(draft, bytesOf(chunk), digest)))
      }
      await attempt(() => store.commit(draft))
      return { draft, crashes }
    }
    function* first(store: S3Blobs): Iterator<S3Blobs, S3Blobs> {
      yield store
      for (;;) yield open()
    }

    it.each([
      ['before', false, false],
      ['after', true, false],
      ['before', false, true],
      ['after', true, true],
    ])('%s any request, the upload goes on (done: %s, last bytes said: %s)', async (_, done, closing) => {
      let survived = 0
      for (let n = 1; ; n++) {
        const { draft, crashes } = await upload(randomUUID(), first(crashingStore(server, n, done)), closing)
        expect(whole.equals(await contentOf(draft.object))).toBe(true)
        await open().discard(draft)
        expect(await left(draft.object)).toEqual([])
        if (crashes === 0) break
        survived++
      }
      expect(survived).toBeGreaterThan(6)
    })

    it.each(['before', 'after'])('%s any request of a discard, another one leaves nothing', async when => {
      for (let n = 1; n < 7; n++) {
        const draft = await append(open(), begin(open()), patternBytes(PART + 1))
        await append(open(), draft, 'lost')
        await crashingStore(server, n, when === 'after')
          .discard(draft)
          .catch(() => {})
        await open().discard(draft)
        expect(await left(draft.object)).toEqual([])
      }
    })

    it('discards what a draft does not know of, because it is older', async () => {
      const draft = begin(open())
      await append(open(), draft, patternBytes(PART + 1))
      expect(await left(draft.object)).toHaveLength(2)
      await open().discard(draft)

      expect(await left(draft.object)).toEqual([])
    })
  })

  describe('a session whose bytes no process has hashed alone', () => {
    const chunks = [PART + 5, 3 * MiB, 2 * MiB].map((size, seed) => patternBytes(size, seed + 1))
    const [first, second, last] = chunks as [Buffer, Buffer, Buffer]
    const digest = digestBytes('sha256', Buffer.concat(chunks))

    /** Each request goes to another process. */
    async function uploading() {
      const table = new MemoryTable()
      const process = (store = open()) => openRegistry({ table, store })
      const location = await process().beginUpload('app')
      for (const body of [first, second]) await process().expectStatus(202, 'PATCH', location, { body })
      return { process, location, finish: `${location}?digest=${digest}` }
    }

    it.each([false, true])('ends as it should whenever a process dies (request done: %s)', async done => {
      for (let n = 1, died = true; died; n++) {
        const { process, finish } = await uploading()
        const answer = await process(crashingStore(server, n, done)).request('PUT', finish, { body: last })
        died = answer.status !== 201

        expect(died || n > 6).toBe(true)
        await process().expectStatus(201, 'PUT', finish, { body: last })
      }
    })

    it('is over when they have another digest, because nothing can be added any more', async () => {
      const { process, location, finish } = await uploading()
      await process().expectStatus(400, 'PUT', finish, { body: patternBytes(last.length, 9) })

      await process().expectStatus(404, 'GET', location)
      await process().expectStatus(404, 'PUT', finish, { body: last })
    })
  })

  describe('what a client wrote', () => {
    const object = () =>
      directObject({ name: 'team/app' as RepositoryName, upload: randomUUID() as UploadId })
    const put = (key: string, body: string, checksum?: string) =>
      server.client.send(
        new PutObjectCommand({
          Bucket: server.settings.bucket,
          Key: key,
          Body: body,
          ChecksumSHA256: checksum,
        }),
      )

    it('is there with the digest that S3 verified', async () => {
      const key = object()
      expect(await open().findUploaded(key)).toBeUndefined()
      await put(key, 'direct', createHash('sha256').update('direct').digest('base64'))

      expect(await open().findUploaded(key)).toEqual({ size: 6, digest: digestBytes('sha256', 'direct') })
      expect(await collect(await open().read(key))).toEqual(Buffer.from('direct'))
    })

    it('has no digest where S3 was told none', async () => {
      const key = object()
      await put(key, 'direct')

      expect(await open().findUploaded(key)).toEqual({ size: 6 })
    })

    it('is not what a session of the same id holds', async () => {
      const key = object()
      const { upload = '' } = parseDirectObject(key) ?? {}
      await put(key, 'direct')
      const draft = await append(open(), open().begin(upload, 'sha256'), 'by us')
      await open().commit(draft)
      await open().discard(draft)

      expect(await collect(await open().read(key))).toEqual(Buffer.from('direct'))
      await open().delete(key)
      expect(await open().stat(key)).toBeUndefined()
    })

    it('can be fetched by a link', async () => {
      const key = object()
      await put(key, 'direct')
      const digest = digestBytes('sha256', 'direct')
      const link = await open().presign(key, { method: 'GET', digest, mediaType: 'a/b', seconds: 60 })

      expect(await (await fetch(link)).text()).toBe('direct')
    })
  })

  describe('links', () => {
    const CONTENT = 'linked'
    const digest = digestBytes('sha256', CONTENT)
    const request = { digest, mediaType: 'application/octet-stream', seconds: 60 }
    let store: S3Blobs
    let object: string
    beforeEach(async () => {
      store = open()
      const draft = await append(store, begin(store), CONTENT)
      await store.commit(draft)
      object = draft.object
    })

    it('give the bytes, or a range of them, as what they were asked to be', async () => {
      const link = await store.presign(object, { method: 'GET', ...request })
      const all = await fetch(link)
      const part = await fetch(link, { headers: { range: 'bytes=1-2' } })

      expect(all.headers.get('content-type')).toBe('application/octet-stream')
      expect(await all.text()).toBe(CONTENT)
      expect([part.status, await part.text()]).toEqual([206, 'in'])
    })

    it('tell the size to a HEAD', async () => {
      const link = await store.presign(object, { method: 'HEAD', ...request })
      const { status, headers } = await fetch(link, { method: 'HEAD' })

      expect(status).toBe(200)
      expect(headers.get('content-length')).toBe(String(CONTENT.length))
    })

    it.each(['GET', 'HEAD'] as const)('are for one method: not %s', async other => {
      const link = await store.presign(object, { method: other === 'GET' ? 'HEAD' : 'GET', ...request })

      expect((await fetch(link, { method: other })).status).toBe(403)
    })

    it.each([
      ['another object', (link: string) => link.replace(object, 'other')],
      ['another type', (link: string) => link.replace('octet-stream', 'html')],
      ['a longer life', (link: string) => link.replace('Expires=60', 'Expires=6000')],
      ['something added', (link: string) => `${link}&digest=x`],
    ])('are refused with %s', async (_, altered) => {
      const link = await store.presign(object, { method: 'GET', ...request })

      expect((await fetch(altered(link))).status).toBe(403)
    })

    it('end', async () => {
      const link = await store.presign(object, { method: 'GET', ...request, seconds: 1 })
      await expect.poll(async () => (await fetch(link)).status, { timeout: 5_000 }).toBe(403)
    })

    it('end with the credentials that signed them', async () => {
      const credentials = await server.settings.credentials()
      const expiring = (ms: number) =>
        new S3Blobs({
          ...server.settings,
          credentials: async () => ({ ...credentials, expiration: new Date(Date.now() + ms) }),
        })
      const life = async (ms: number) =>
        Number(
          /X-Amz-Expires=(\d+)/.exec(await expiring(ms).presign(object, { method: 'GET', ...request }))?.[1],
        )

      expect(await life(3_600_000)).toBe(60)
      expect(await life(20_500)).toBe(20)
      expect(await life(-1)).toBe(1)
    })
  })

=======
>>>>>>> f6d7aae (cloud tests: give crashes, URLs and request counts of S3Blobs a file each)
  it('has S3 verify what it is sent', async () => {
    const bucket = new Bucket(fixture.server.client, fixture.server.settings.bucket)
    const put = bucket.put('blobs/wrong', Buffer.from('x'), checksumOf(Buffer.from('y')), false)

    await expect(put).rejects.toMatchObject({ $metadata: { httpStatusCode: 400 } })
    expect(await bucket.head('blobs/wrong')).toBeUndefined()
  })
<<<<<<< HEAD

  describe('requests', () => {
    it('needs one for a blob that comes whole', async () => {
      const { store, takeRequests } = recordingStore(server)
      const draft = await store.append(begin(store), bytesOf('small'), digestBytes('sha256', 'small'))
      await store.digest(draft, 'sha256')
      await store.commit(draft)

      expect(takeRequests()).toEqual(['PutObject'])
    })

    it('needs four for a small blob in two requests', async () => {
      const { store, takeRequests } = recordingStore(server)
      const draft = await append(store, begin(store), 'small')
      expect(takeRequests()).toEqual(['PutObject'])
      await store.digest(draft, 'sha256')
      await store.commit(draft)

      expect(takeRequests()).toEqual(['GetObject', 'PutObject', 'DeleteObject'])
    })

    it.each([1, 6])(
      'needs as many for the commit of %i parts as of any number, and copies nothing',
      async parts => {
        const { store, takeRequests } = recordingStore(server)
        const draft = await append(store, begin(store), patternBytes(parts * PART + 1))
        expect(takeRequests().sort()).toEqual(
          ['CreateMultipartUpload', 'PutObject', ...Array(parts).fill('UploadPart')].sort(),
        )
        await store.digest(draft, 'sha256')
        await store.commit(draft)

        const commit = ['GetObject', 'UploadPart', 'ListParts', 'CompleteMultipartUpload', 'DeleteObject']
        expect(takeRequests()).toEqual(commit)
      },
    )

    it('needs two for the commit of a stream that was said to be whole', async () => {
      const { store, takeRequests } = recordingStore(server)
      const whole = patternBytes(2 * PART + 1)
      const draft = await store.append(begin(store), bytesOf(whole), digestBytes('sha256', whole))
      expect(takeRequests().sort()).toEqual([
        'CreateMultipartUpload',
        'UploadPart',
        'UploadPart',
        'UploadPart',
      ])
      await store.commit(draft)

      expect(takeRequests()).toEqual(['ListParts', 'CompleteMultipartUpload'])
    })

    it('needs one each to read, to look and to delete, and none for a link', async () => {
      const { store, takeRequests } = recordingStore(server)
      const object = randomUUID()
      await store.read(object).catch(() => {})
      await store.stat(object)
      await store.delete(object)
      await store.presign(object, {
        method: 'GET',
        digest: digestBytes('sha256', ''),
        mediaType: 'a/b',
        seconds: 1,
      })

      expect(takeRequests()).toEqual(['GetObject', 'HeadObject', 'DeleteObject'])
    })

    it('needs no client for a link', async () => {
      const store = new S3Blobs(server.settings, () => Promise.reject(new Error('it was loaded')))

      expect(
        await store.presign('a', {
          method: 'GET',
          digest: digestBytes('sha256', ''),
          mediaType: 'a/b',
          seconds: 1,
        }),
      ).toMatch(/^http/)
    })
  })
=======
>>>>>>> f6d7aae (cloud tests: give crashes, URLs and request counts of S3Blobs a file each)
})

function busy(error: unknown): void {
  expect(error).toBeInstanceOf(DraftBusy)
}
