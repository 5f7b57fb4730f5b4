import type { Algorithm, Digest } from '../protocol/digest.ts'
import { RegistryError } from '../protocol/errors.ts'
import type { RepositoryName } from '../protocol/name.ts'
import { uploadRange } from '../protocol/ranges.ts'
import type { SessionAddress, UploadId } from '../protocol/reference.ts'
import type { Draft } from '../store/blobs.ts'
import { keys } from '../store/keys.ts'
import type { UploadRow } from '../store/records.ts'
import { ConditionFailed, type Write } from '../store/table.ts'
import { type Chunk, wrongLength } from './chunk.ts'
import type { Dependencies } from './dependencies.ts'
import { garbageWrite } from './garbage.ts'

/** An upload session as its client sees it. */
export interface UploadSession extends SessionAddress {
  /** How many bytes are stored durably. */
  readonly size: number
  /** Until when the client may make a direct upload, in milliseconds since 1970. Absent where it may not. */
  readonly directUntil?: number
  /** When the session ends unless bytes arrive, in milliseconds since 1970. */
  readonly expires: number
}

/** Opens a session whatever its owner: for the registry's own work, and after the owner has been compared. */
export const ANY_OWNER = Symbol('any owner')
/** Who works on a session: a client, by its `subjectId`, or the registry itself. */
export type Owner = string | typeof ANY_OWNER

/** Opens an upload session: its location, and the owner that must have begun it. */
export interface SessionKey extends SessionAddress {
  readonly owner: Owner
}

/** The rows of upload sessions. To an owner, a session that another owner began does not exist. */
export class UploadSessions {
  readonly #deps: Dependencies
  constructor(deps: Dependencies) {
    this.#deps = deps
  }

  async begin(
    name: RepositoryName,
    algorithm: Algorithm,
    about: Pick<UploadRow, 'direct' | 'owner'>,
  ): Promise<UploadSession> {
    const { table, store, clock, newId, uploadLifetime } = this.#deps
    const upload = newId() as UploadId
    const expires = clock() + uploadLifetime
    const draft = store.begin(upload, algorithm)
    const row: UploadRow = { ...keys.upload(name, upload), draft, version: 0, expires, ...about }
    const review = garbageWrite(this.#deps, expires, { what: 'upload', repository: name, upload })
    await table.transact({ put: row, if: 'absent' }, review)
    return this.describe({ name, upload }, row)
  }

  async find({ name, upload, owner }: SessionKey): Promise<UploadRow | undefined> {
    const row = await this.#deps.table.get<UploadRow>(keys.upload(name, upload))
    return owner === ANY_OWNER || row?.owner === undefined || row.owner === owner ? row : undefined
  }

  /** @throws {RegistryError} BLOB_UPLOAD_UNKNOWN */
  async get(key: SessionKey): Promise<UploadRow> {
    return (await this.find(key)) ?? uploadUnknown()
  }

  /**
   * Appends a chunk to the draft of the session. The row is not changed.
   * @param whole the digest that the blob must have, if this is its last chunk
   * @throws {RegistryError} RANGE_INVALID when the chunk does not follow the draft; SIZE_INVALID when it is not as long
   * as its range
   */
  async receive(
    session: SessionAddress,
    row: UploadRow,
    { bytes, range }: Chunk,
    whole?: Digest,
  ): Promise<Draft> {
    const { size } = row.draft
    if (range && range.first !== size) throw this.outOfOrder(session, row)
    const draft = await this.#deps.store.append(row.draft, bytes, whole)
    if (range && draft.size !== range.last + 1)
      throw wrongLength(range.last - range.first + 1, { sent: draft.size - size })
    return draft
  }

  /**
   * Records a change of the session and extends its lifetime.
   * @throws {RegistryError} BLOB_UPLOAD_UNKNOWN or RANGE_INVALID when another request was faster
   */
  async record(session: SessionAddress, row: UploadRow, change: Partial<UploadRow>): Promise<UploadRow> {
    const { table, clock, uploadLifetime } = this.#deps
    const next = { ...row, ...change, version: row.version + 1, expires: clock() + uploadLifetime }
    try {
      await table.transact({ put: next, if: { version: row.version } })
      return next
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error
      throw this.outOfOrder(session, await this.get({ ...session, owner: ANY_OWNER }))
    }
  }

  /**
   * The writes that end a session without a blob. The collector discards the draft a grace period later, because a
   * request that still works on it may leave bytes behind.
   */
  dropWrites({ name, upload }: SessionAddress, { version, draft }: UploadRow): Write[] {
    const { clock, gracePeriod } = this.#deps
    return [
      { delete: keys.upload(name, upload), if: { version } },
      garbageWrite(this.#deps, clock() + gracePeriod, { what: 'draft', draft }),
    ]
  }

  /**
   * A session that holds bytes cannot become a direct upload any more. The permission for a direct upload ends half a
   * lifetime before the session does, so that an upload that CloudFront accepted at the last moment still finds the
   * session.
   */
  describe({ name, upload }: SessionAddress, { draft: { size }, direct, expires }: UploadRow): UploadSession {
    const directUntil = expires - this.#deps.uploadLifetime / 2
    return { name, upload, size, expires, ...(direct && size === 0 && { directUntil }) }
  }

  /** RANGE_INVALID, with the position to continue at. */
  outOfOrder(session: SessionAddress, row: UploadRow): OutOfOrder {
    return new OutOfOrder(this.describe(session, row))
  }
}

const UNKNOWN_SESSION = 'the upload session does not exist, has ended or has expired: begin a new one'

/** @throws {RegistryError} BLOB_UPLOAD_UNKNOWN */
export function uploadUnknown(): never {
  throw new RegistryError('BLOB_UPLOAD_UNKNOWN', { message: UNKNOWN_SESSION })
}

/**
 * RANGE_INVALID: a chunk that does not follow the bytes of its session. The route adds the `Location`, because regctl
 * continues only if it receives both `Range` and `Location`.
 */
export class OutOfOrder extends RegistryError {
  readonly session: UploadSession
  constructor(session: UploadSession, headers: Readonly<Record<string, string>> = {}) {
    const { size } = session
    super('RANGE_INVALID', {
      message: `the upload session holds ${size} bytes: the next chunk must begin at byte ${size}, once no other request is sending to the session`,
      detail: { size },
      // `0-0` would mean that byte 0 is stored, and a client would continue at byte 1.
      headers: { ...(size > 0 && { range: uploadRange(size) }), ...headers },
    })
    this.session = session
  }
}
