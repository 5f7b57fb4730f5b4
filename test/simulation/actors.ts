import fc from 'fast-check'
import type { Digest } from '../../lambda/protocol/digest.ts'
import { RegistryError } from '../../lambda/protocol/errors.ts'
import type { RepositoryName } from '../../lambda/protocol/name.ts'
import type { Tag } from '../../lambda/protocol/reference.ts'
import { ANY_OWNER, type SessionKey } from '../../lambda/registry/sessions.ts'
import { UNGUARDED } from '../../lambda/registry/tags.ts'
import type { Bytes } from '../../lambda/store/blobs.ts'
import { digestOfText, IMAGES, type ImageName } from './images.ts'
import { type Gate, GRACE, HOUR, type Process, type World } from './world.ts'

const REPOSITORIES = ['app', 'team/app'] as [RepositoryName, RepositoryName]
const TAGS = ['v1', 'latest'] as [Tag, Tag]

/** Something that a client, or the schedule, does. */
export type Deed =
  | {
      readonly do: 'push'
      readonly name: RepositoryName
      readonly image: ImageName
      readonly tag: Tag
      readonly way: Way
    }
  | { readonly do: 'delete manifest'; readonly name: RepositoryName; readonly image: ImageName }
  | { readonly do: 'delete tag'; readonly name: RepositoryName; readonly tag: Tag }
  | { readonly do: 'delete blob'; readonly name: RepositoryName; readonly blob: string }
  | { readonly do: OddUpload; readonly name: RepositoryName }
  | { readonly do: 'collect' }
  /** Time passes, after others have had so many turns. */
  | { readonly do: 'wait'; readonly hours: number; readonly turns: number }

const ODD_UPLOADS = [
  'abandon upload',
  'cancel upload',
  'finish upload twice',
  'finish and cancel upload',
  'write directly twice',
] as const
type OddUpload = (typeof ODD_UPLOADS)[number]

/** How a client brings a blob that is not there. */
type Way = 'whole' | 'chunks' | 'mount' | 'direct'

/** Mostly the first, so that deeds meet. */
function mostly<T>(first: T, rest: readonly T[]): fc.Arbitrary<T> {
  return fc.oneof(
    { weight: 4, arbitrary: fc.constant(first) },
    { weight: 1, arbitrary: fc.constantFrom(...rest) },
  )
}

const IMAGE_NAMES = Object.keys(IMAGES) as ImageName[]
const name = mostly(REPOSITORIES[0], REPOSITORIES)
const tag = mostly(TAGS[0], TAGS)

/** An image that most deeds of a play are about. */
export const theme = fc.constantFrom(...IMAGE_NAMES, 'large' as const)

export function deedsAbout(imageName: ImageName): fc.Arbitrary<Deed> {
  const image = mostly(imageName, IMAGE_NAMES)
  const hours = fc.constantFrom(1e-6, 5, 7, 23, 25, 60)
  return fc.oneof(
    { weight: 5, arbitrary: image.chain(pushOf) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('delete manifest' as const), name, image }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('delete tag' as const), name, tag }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom(...ODD_UPLOADS), name }) },
    { weight: 4, arbitrary: fc.constant({ do: 'collect' as const }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), hours, turns: fc.nat(10) }) },
  )
}

export function pushOf(image: ImageName): fc.Arbitrary<Deed> {
  const way = fc.constantFrom<Way>('whole', 'chunks', 'mount', 'direct')
  return fc.record({ do: fc.constant('push' as const), name, image: fc.constant(image), tag, way })
}

/** What may have happened to the image before: it is there, was there, or was there and everything of it is old. */
export function pastsOf(image: ImageName): fc.Arbitrary<Deed[]> {
  const [name, tag] = [REPOSITORIES[0], TAGS[0]]
  const push: Deed = { do: 'push', name, image, tag, way: 'whole' }
  const gone: Deed = { do: 'delete manifest', name, image }
  return fc.constantFrom<Deed[]>(
    [],
    [push],
    [push, gone],
    [push, { do: 'wait', hours: 25, turns: 0 }],
    [push, gone, { do: 'wait', hours: 23, turns: 0 }],
    [push, gone, { do: 'wait', hours: 25, turns: 0 }],
    [push, gone, { do: 'wait', hours: 25, turns: 0 }, { do: 'collect' }, { do: 'wait', hours: 25, turns: 0 }],
  )
}

/** The collector comes by, perhaps after so long that it gives up what is under way. */
export const collection: fc.Arbitrary<Deed[]> = fc.oneof(
  fc.constant<Deed[]>([{ do: 'collect' }]),
  // A push of many blobs takes as many turns before it announces itself.
  fc.nat(70).map((turns): Deed[] => [{ do: 'wait', hours: 25, turns }, { do: 'collect' }]),
)

export const blobDeletion: fc.Arbitrary<Deed[]> = fc
  .record({ do: fc.constant('delete blob' as const), name, blob: mostly('a', ['b', 'c', 'd']) })
  .map(deed => [deed])

/** When an operation began and ended, in the order of all operations. One cut short never ended. */
interface Span {
  readonly began: number
  ended: number
}

interface Push extends Span {
  readonly name: RepositoryName
  readonly digest: Digest
  readonly tag: Tag
}

/** What clients saw: pushes that were acknowledged, and deletes that were asked for. */
export class History {
  readonly pushes: Push[] = []
  readonly deletes: (Span & { readonly name: RepositoryName; readonly digest: Digest })[] = []
  readonly complaints: string[] = []
  #now = 0

  begin(): Span {
    return { began: this.#now++, ended: Number.POSITIVE_INFINITY }
  }
  end(span: Span): void {
    span.ended = this.#now++
  }

  /** Whether a delete may have come after the push in some order that agrees with what clients saw. */
  mayBeDeleted({ name, digest, began }: Push): boolean {
    return this.deletes.some(del => del.name === name && del.digest === digest && del.ended > began)
  }
}

/** A client that does one thing after the other, on processes of its own. */
export class Actor {
  readonly #world: World
  readonly #process: Process
  readonly #helper: Process
  readonly #gate: Gate
  readonly #history: History
  constructor(world: World, gate: Gate, history: History) {
    this.#world = world
    this.#gate = gate
    this.#process = world.start(gate)
    this.#helper = world.start(gate)
    this.#history = history
  }

  async run(deeds: readonly Deed[]): Promise<void> {
    for (const deed of deeds) {
      try {
        await this.#perform(deed)
      } catch (error) {
        const expected =
          error instanceof RegistryError &&
          ['MANIFEST_UNKNOWN', 'BLOB_UNKNOWN', 'BLOB_UPLOAD_UNKNOWN', 'UNSUPPORTED'].includes(error.code)
        if (deed.do === 'push' || !expected) this.#history.complaints.push(`${deed.do}: ${describe(error)}`)
      }
    }
  }

  async #perform(deed: Deed): Promise<void> {
    const { registry, collector } = this.#process
    switch (deed.do) {
      case 'push':
        return this.#push(deed)
      case 'delete manifest': {
        const { digest } = IMAGES[deed.image]
        const span = { ...this.#history.begin(), name: deed.name, digest }
        this.#history.deletes.push(span)
        await registry.manifests.delete(deed.name, digest, UNGUARDED)
        return this.#history.end(span)
      }
      case 'delete tag':
        return registry.tags.delete(deed.name, deed.tag, UNGUARDED)
      case 'delete blob':
        return registry.blobs.delete(deed.name, digestOfText(deed.blob))
      case 'abandon upload':
      case 'cancel upload': {
        const session = await this.#begin(deed.name)
        await registry.uploads.append(session, { bytes: pieces('left over') })
        return deed.do === 'cancel upload' ? registry.uploads.cancel(session) : undefined
      }
      case 'finish upload twice':
        return this.#finishTwice(deed.name)
      case 'finish and cancel upload':
        return this.#finishAndCancel(deed.name)
      case 'write directly twice':
        return this.#writeTwice(deed.name)
      case 'collect': {
        const { failures } = await collector.run()
        for (const failure of failures) this.#history.complaints.push(`collector: ${describe(failure)}`)
        return
      }
      case 'wait':
        for (let turn = 0; turn < deed.turns; turn++) await this.#gate('wait')
        this.#world.now += Math.ceil(deed.hours * HOUR)
    }
  }

  async #push({ name, image: imageName, tag, way }: Deed & { do: 'push' }): Promise<void> {
    const image = IMAGES[imageName]
    const { manifests } = this.#process.registry
    const started = this.#world.now
    try {
      for (const part of [...image.children, image]) {
        for (const blob of part.blobs) await this.#bring(name, blob, way)
        const span = { ...this.#history.begin(), name, digest: part.digest, tag }
        const reference =
          part === image
            ? ({ kind: 'tag', tag } as const)
            : ({ kind: 'digest', digest: part.digest } as const)
        await manifests.put(name, reference, part.bytes, { guard: UNGUARDED })
        this.#history.end(span)
        this.#history.pushes.push(span)
      }
    } catch (error) {
      // Whoever takes longer than clients were promised must expect to begin again, and so must one whose child was deleted.
      const lost =
        error instanceof RegistryError &&
        ['MANIFEST_BLOB_UNKNOWN', 'BLOB_UPLOAD_UNKNOWN'].includes(error.code)
      const late = this.#world.now - started > (GRACE * 3) / 4
      const robbed = image.children.some(child =>
        this.#history.deletes.some(({ digest }) => digest === child.digest),
      )
      if (!(lost && (late || robbed))) throw error
    }
  }

  /** Two requests, on two processes, want to end one session as different blobs. */
  async #finishTwice(name: RepositoryName): Promise<void> {
    const session = await this.#begin(name)
    const { upload } = session
    const finish = ({ registry }: Process, text: string) =>
      registry.uploads.finish(session, digestOfText(text), { bytes: pieces(text) }, true)
    const ends = [finish(this.#process, `one of ${upload}`), finish(this.#helper, `another of ${upload}`)]
    if ((await countKept(ends)) === 2) this.#history.complaints.push('one session became two blobs')
  }

  async #finishAndCancel(name: RepositoryName): Promise<void> {
    const { uploads } = this.#process.registry
    const session = await this.#begin(name)
    const text = `perhaps of ${session.upload}`
    await uploads.append(session, { bytes: pieces(text) })
    const ends = [
      uploads.finish(session, digestOfText(text), undefined, true),
      this.#helper.registry.uploads.cancel(session),
    ]
    if ((await countKept(ends)) === 2) this.#history.complaints.push('a session was finished and cancelled')
  }

  /** The store's event is delivered twice, and both at once; and the URL is used again when the session has gone. */
  async #writeTwice(name: RepositoryName): Promise<void> {
    const session = await this.#begin(name)
    const lastChance = this.#world.now + GRACE / 2
    const claim = ({ registry }: Process) => registry.directUploads.adopt(session)
    await this.#write(session, 'a', lastChance)
    await Promise.all([claim(this.#process), claim(this.#helper)])
    await this.#write(session, 'b', lastChance)
    await claim(this.#helper)
  }

  /**
   * What the client does with its upload URL without us, while the edge lets it. It is acknowledged then and there.
   * @returns false when it came too late
   */
  async #write(session: SessionKey, blob: string, lastChance: number): Promise<boolean> {
    await this.#gate('write')
    if (this.#world.now >= lastChance) return false
    this.#world.store.write(session, blob)
    return true
  }

  async #begin(name: RepositoryName): Promise<SessionKey> {
    const { upload } = await this.#process.registry.uploads.begin(name, 'sha256', ANY_OWNER)
    return { name, upload, owner: ANY_OWNER }
  }

  async #bring(name: RepositoryName, blob: string, way: Way): Promise<void> {
    const { blobs, uploads } = this.#process.registry
    const digest = digestOfText(blob)
    const there = await blobs.refresh(name, digest).then(
      () => true,
      () => false,
    )
    if (there || (way === 'mount' && (await blobs.mount(name, digest, undefined, true)))) return
    if (way === 'direct') {
      const session = await this.#begin(name)
      if (await this.#write(session, blob, this.#world.now + GRACE / 2)) return
    }
    if (way !== 'chunks') return uploads.push(name, digest, pieces(blob))
    const session = await this.#begin(name)
    const middle = Math.floor(blob.length / 2)
    await uploads.append(session, { bytes: pieces(blob.slice(0, middle)) })
    await uploads.finish(session, digest, { bytes: pieces(blob.slice(middle)) }, true)
  }
}

/** How many of the requests on one session were granted. The others must have been refused for a reason that clients know. */
async function countKept(requests: readonly Promise<void>[]): Promise<number> {
  const known = ['RANGE_INVALID', 'DIGEST_INVALID', 'BLOB_UPLOAD_UNKNOWN']
  const ends = await Promise.allSettled(requests)
  for (const end of ends)
    if (
      end.status === 'rejected' &&
      !(end.reason instanceof RegistryError && known.includes(end.reason.code))
    )
      throw end.reason
  return ends.filter(end => end.status === 'fulfilled').length
}

async function* pieces(text: string): Bytes {
  yield Buffer.from(text)
}

function describe(error: unknown): string {
  if (error instanceof RegistryError) return `${error.code} ${JSON.stringify(error.detail)}`
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
