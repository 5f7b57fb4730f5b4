import fc from 'fast-check'
import type { Digest } from '../../lambda/protocol/digest.ts'
import { RegistryError } from '../../lambda/protocol/errors.ts'
import type { RepositoryName } from '../../lambda/protocol/name.ts'
import type { Tag } from '../../lambda/protocol/reference.ts'
import { ANY_OWNER, type SessionKey } from '../../lambda/registry/sessions.ts'
import { UNGUARDED } from '../../lambda/registry/tags.ts'
import type { Bytes } from '../../lambda/store/blobs.ts'
import { digestOfText, IMAGES, type ImageName } from './images.ts'
import { type Gate, GRACE_PERIOD, HOUR, type Process, type World } from './world.ts'

const REPOSITORIES = ['app', 'team/app'] as [RepositoryName, RepositoryName]
const TAGS = ['v1', 'latest'] as [Tag, Tag]

/** An action of a client or of the schedule. */
export type Action =
  | {
      readonly do: 'push'
      readonly name: RepositoryName
      readonly image: ImageName
      readonly tag: Tag
      readonly method: UploadMethod
    }
  | { readonly do: 'delete manifest'; readonly name: RepositoryName; readonly image: ImageName }
  | { readonly do: 'delete tag'; readonly name: RepositoryName; readonly tag: Tag }
  | { readonly do: 'delete blob'; readonly name: RepositoryName; readonly blob: string }
  | { readonly do: UnusualUpload; readonly name: RepositoryName }
  | { readonly do: 'collect' }
  /** Time passes, after a number of calls of other actors. */
  | { readonly do: 'wait'; readonly hours: number; readonly turns: number }

const UNUSUAL_UPLOADS = [
  'abandon upload',
  'cancel upload',
  'finish upload twice',
  'finish and cancel upload',
  'write directly twice',
] as const
type UnusualUpload = (typeof UNUSUAL_UPLOADS)[number]

/** How a client uploads an absent blob. */
type UploadMethod = 'whole' | 'chunks' | 'mount' | 'direct'

/** Mostly the first value, so that actions conflict. */
function mostly<T>(first: T, rest: readonly T[]): fc.Arbitrary<T> {
  return fc.oneof(
    { weight: 4, arbitrary: fc.constant(first) },
    { weight: 1, arbitrary: fc.constantFrom(...rest) },
  )
}

const IMAGE_NAMES = Object.keys(IMAGES) as ImageName[]
const name = mostly(REPOSITORIES[0], REPOSITORIES)
const tag = mostly(TAGS[0], TAGS)

/** The image that most actions of a scenario use. */
export const anyImage = fc.constantFrom(...IMAGE_NAMES, 'large' as const)

export function actionsOn(imageName: ImageName): fc.Arbitrary<Action> {
  const image = mostly(imageName, IMAGE_NAMES)
  const hours = fc.constantFrom(1e-6, 5, 7, 23, 25, 60)
  return fc.oneof(
    { weight: 5, arbitrary: image.chain(pushOf) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('delete manifest' as const), name, image }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('delete tag' as const), name, tag }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom(...UNUSUAL_UPLOADS), name }) },
    { weight: 4, arbitrary: fc.constant({ do: 'collect' as const }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), hours, turns: fc.nat(10) }) },
  )
}

export function pushOf(image: ImageName): fc.Arbitrary<Action> {
  const method = fc.constantFrom<UploadMethod>('whole', 'chunks', 'mount', 'direct')
  return fc.record({ do: fc.constant('push' as const), name, image: fc.constant(image), tag, method })
}

/** The earlier actions on the image: it is absent, present or deleted, and its rows are recent or old. */
export function earlierActions(image: ImageName): fc.Arbitrary<Action[]> {
  const [name, tag] = [REPOSITORIES[0], TAGS[0]]
  const push: Action = { do: 'push', name, image, tag, method: 'whole' }
  const gone: Action = { do: 'delete manifest', name, image }
  return fc.constantFrom<Action[]>(
    [],
    [push],
    [push, gone],
    [push, { do: 'wait', hours: 25, turns: 0 }],
    [push, gone, { do: 'wait', hours: 23, turns: 0 }],
    [push, gone, { do: 'wait', hours: 25, turns: 0 }],
    [push, gone, { do: 'wait', hours: 25, turns: 0 }, { do: 'collect' }, { do: 'wait', hours: 25, turns: 0 }],
  )
}

/** The collector runs, perhaps so late that it ends pushes and uploads in progress. */
export const collection: fc.Arbitrary<Action[]> = fc.oneof(
  fc.constant<Action[]>([{ do: 'collect' }]),
  // A push makes a call for each of its blobs before its announcement.
  fc.nat(70).map((turns): Action[] => [{ do: 'wait', hours: 25, turns }, { do: 'collect' }]),
)

export const deleteBlob: fc.Arbitrary<Action[]> = fc
  .record({ do: fc.constant('delete blob' as const), name, blob: mostly('a', ['b', 'c', 'd']) })
  .map(action => [action])

/** When an operation began and ended, in the order of all operations. `ended` is infinite if its process was killed. */
interface Span {
  readonly began: number
  ended: number
}

interface Push extends Span {
  readonly name: RepositoryName
  readonly digest: Digest
  readonly tag: Tag
}

/** What clients saw: acknowledged pushes, and requested deletes. */
export class History {
  readonly pushes: Push[] = []
  readonly deletes: (Span & { readonly name: RepositoryName; readonly digest: Digest })[] = []
  readonly failures: string[] = []
  #now = 0

  begin(): Span {
    return { began: this.#now++, ended: Number.POSITIVE_INFINITY }
  }
  end(span: Span): void {
    span.ended = this.#now++
  }

  /** Whether a delete may have followed the push, in some order that is consistent with what clients saw. */
  mayBeDeleted({ name, digest, began }: Push): boolean {
    return this.deletes.some(del => del.name === name && del.digest === digest && del.ended > began)
  }
}

/** A client that performs one action after the other, on its own processes. */
export class Actor {
  readonly #world: World
  readonly #process: Process
  readonly #otherProcess: Process
  readonly #gate: Gate
  readonly #history: History
  constructor(world: World, gate: Gate, history: History) {
    this.#world = world
    this.#gate = gate
    this.#process = world.start(gate)
    this.#otherProcess = world.start(gate)
    this.#history = history
  }

  async run(actions: readonly Action[]): Promise<void> {
    for (const action of actions) {
      try {
        await this.#perform(action)
      } catch (error) {
        const expected =
          error instanceof RegistryError &&
          ['MANIFEST_UNKNOWN', 'BLOB_UNKNOWN', 'BLOB_UPLOAD_UNKNOWN', 'UNSUPPORTED'].includes(error.code)
        if (action.do === 'push' || !expected) this.#history.failures.push(`${action.do}: ${describe(error)}`)
      }
    }
  }

  async #perform(action: Action): Promise<void> {
    const { registry, collector } = this.#process
    switch (action.do) {
      case 'push':
        return this.#push(action)
      case 'delete manifest': {
        const { digest } = IMAGES[action.image]
        const span = { ...this.#history.begin(), name: action.name, digest }
        this.#history.deletes.push(span)
        await registry.manifests.delete(action.name, digest, UNGUARDED)
        return this.#history.end(span)
      }
      case 'delete tag':
        return registry.tags.delete(action.name, action.tag, UNGUARDED)
      case 'delete blob':
        return registry.blobs.delete(action.name, digestOfText(action.blob))
      case 'abandon upload':
      case 'cancel upload': {
        const session = await this.#begin(action.name)
        await registry.uploads.append(session, { bytes: pieces('left over') })
        return action.do === 'cancel upload' ? registry.uploads.cancel(session) : undefined
      }
      case 'finish upload twice':
        return this.#finishTwice(action.name)
      case 'finish and cancel upload':
        return this.#finishAndCancel(action.name)
      case 'write directly twice':
        return this.#writeTwice(action.name)
      case 'collect': {
        const { failures } = await collector.run()
        for (const failure of failures) this.#history.failures.push(`collector: ${describe(failure)}`)
        return
      }
      case 'wait':
        for (let turn = 0; turn < action.turns; turn++) await this.#gate('wait')
        this.#world.now += Math.ceil(action.hours * HOUR)
    }
  }

  async #push({ name, image: imageName, tag, method }: Action & { do: 'push' }): Promise<void> {
    const image = IMAGES[imageName]
    const { manifests } = this.#process.registry
    const started = this.#world.now
    try {
      for (const part of [...image.children, image]) {
        for (const blob of part.blobs) await this.#provideBlob(name, blob, method)
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
      // A push may fail if it takes longer than content is kept for it, or if a child was deleted meanwhile.
      const isMissing =
        error instanceof RegistryError &&
        ['MANIFEST_BLOB_UNKNOWN', 'BLOB_UPLOAD_UNKNOWN'].includes(error.code)
      const isLate = this.#world.now - started > (GRACE_PERIOD * 3) / 4
      const childWasDeleted = image.children.some(child =>
        this.#history.deletes.some(({ digest }) => digest === child.digest),
      )
      if (!(isMissing && (isLate || childWasDeleted))) throw error
    }
  }

  /** Two requests, on two processes, close one session as different blobs. */
  async #finishTwice(name: RepositoryName): Promise<void> {
    const session = await this.#begin(name)
    const { upload } = session
    const finish = ({ registry }: Process, text: string) =>
      registry.uploads.finish(session, digestOfText(text), { bytes: pieces(text) }, true)
    const ends = [
      finish(this.#process, `one of ${upload}`),
      finish(this.#otherProcess, `another of ${upload}`),
    ]
    if ((await countSucceeded(ends)) === 2) this.#history.failures.push('one session became two blobs')
  }

  async #finishAndCancel(name: RepositoryName): Promise<void> {
    const { uploads } = this.#process.registry
    const session = await this.#begin(name)
    const text = `perhaps of ${session.upload}`
    await uploads.append(session, { bytes: pieces(text) })
    const ends = [
      uploads.finish(session, digestOfText(text), undefined, true),
      this.#otherProcess.registry.uploads.cancel(session),
    ]
    if ((await countSucceeded(ends)) === 2)
      this.#history.failures.push('a session was finished and cancelled')
  }

  /** The store delivers its event twice at the same time, and the URL is used again after the session has ended. */
  async #writeTwice(name: RepositoryName): Promise<void> {
    const session = await this.#begin(name)
    const lastChance = this.#world.now + GRACE_PERIOD / 2
    const adopt = ({ registry }: Process) => registry.directUploads.adopt(session)
    await this.#write(session, 'a', lastChance)
    await Promise.all([adopt(this.#process), adopt(this.#otherProcess)])
    await this.#write(session, 'b', lastChance)
    await adopt(this.#otherProcess)
  }

  /**
   * A direct upload, which the store acknowledges at once.
   * @param lastChance when the edge stops accepting it
   * @returns false when it is too late
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

  async #provideBlob(name: RepositoryName, blob: string, method: UploadMethod): Promise<void> {
    const { blobs, uploads } = this.#process.registry
    const digest = digestOfText(blob)
    const exists = await blobs.refresh(name, digest).then(
      () => true,
      () => false,
    )
    if (exists || (method === 'mount' && (await blobs.mount(name, digest, undefined, true)))) return
    if (method === 'direct') {
      const session = await this.#begin(name)
      if (await this.#write(session, blob, this.#world.now + GRACE_PERIOD / 2)) return
    }
    if (method !== 'chunks') return uploads.push(name, digest, pieces(blob))
    const session = await this.#begin(name)
    const middle = Math.floor(blob.length / 2)
    await uploads.append(session, { bytes: pieces(blob.slice(0, middle)) })
    await uploads.finish(session, digest, { bytes: pieces(blob.slice(middle)) }, true)
  }
}

/** How many of the requests on one session succeeded. The others must have failed with an error that clients expect. */
async function countSucceeded(requests: readonly Promise<void>[]): Promise<number> {
  const expected = ['RANGE_INVALID', 'DIGEST_INVALID', 'BLOB_UPLOAD_UNKNOWN']
  const ends = await Promise.allSettled(requests)
  for (const end of ends)
    if (
      end.status === 'rejected' &&
      !(end.reason instanceof RegistryError && expected.includes(end.reason.code))
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
