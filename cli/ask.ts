import { randomBytes, randomUUID } from 'node:crypto'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Access } from '../lambda/auth/access.ts'
import { createAuth } from '../lambda/auth/auth.ts'
import { type Authorize, OPEN } from '../lambda/auth/authorizer.ts'
import { Keyring } from '../lambda/auth/keyring.ts'
import { Passwords } from '../lambda/auth/passwords.ts'
import { decide, immutableTags, type Policy } from '../lambda/auth/policy.ts'
import { denied } from '../lambda/auth/refusals.ts'
import type { Request } from '../lambda/http/message.ts'
import { UPLOAD_LIFE } from '../lambda/registry/dependencies.ts'
import { createRegistryApp } from '../lambda/registry-app.ts'
import type { BlobStore } from '../lambda/store/blobs.ts'
import { FileBlobs } from '../lambda/store/file-blobs.ts'
import { SqliteTable } from '../lambda/store/sqlite-table.ts'
import type { Table } from '../lambda/store/table.ts'
import { refuseMissingTable } from '../server/missing-table.ts'
import { Failure } from './failure.ts'

const DAY = 24 * 60 * 60 * 1000

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** Parsed; undefined where there is no body. */
  readonly json: unknown
}

/** Asks a registry: in a folder, in a table, or over HTTP, always by the same requests. @throws {Failure} where nobody answers */
export type Ask = (method: string, target: string, body?: unknown) => Promise<Answer>

/**
 * Asks the registry in a folder, whether or not a server is running on it: whoever can write the folder may do everything.
 * @param passwords tests give one of a small cost
 * @throws {Failure} where there is none
 */
export async function openFolder(
  data: string,
  passwords = new Passwords(),
): Promise<{ ask: Ask; close(): void }> {
  const file = join(data, 'registry.sqlite')
  if (!existsSync(file) && !isEmpty(data))
    throw new Failure(`there is no registry in ${data}: start the server once, or say --data or --registry`)
  try {
    refuseMissingTable(data, false)
    const table = new SqliteTable(file)
    const store = await FileBlobs.open(data)
    return { ask: askHere(table, store, passwords), close: () => table.close() }
  } catch (error) {
    throw new Failure(`cannot use the registry in ${data}: ${(error as Error).message}`)
  }
}

/** Whether accounts may be made in a folder before its server has ever run. */
function isEmpty(folder: string): boolean {
  return existsSync(folder) && statSync(folder).isDirectory() && readdirSync(folder).length === 0
}

/** Asks in this process, as one who may do everything but remove immutable tags, which administrators may not either. */
function askHere(table: Table, store: BlobStore, passwords: Passwords): Ask {
  const keyring = new Keyring([randomBytes(32).toString('base64url')]) // nobody gets a token from here
  const auth = createAuth({ table, clock: Date.now, keyring: () => keyring, passwords })
  const deps = { table, store, clock: Date.now, newId: randomUUID, grace: DAY, uploadLife: UPLOAD_LIFE }
  const authorize: Authorize = async (_, { action }) => {
    if (action !== 'delete') return OPEN
    const { policy } = await auth.policies.current()
    const immutable = (name: string) => immutableTags(policy, name)
    return { ...OPEN, demand: demandOfAll(policy), immutableTags: immutable }
  }
  const { app } = createRegistryApp(deps, { auth: { ...auth, authorize } })
  return async (method, target, body) => {
    const { response } = await app(requestOf(method, target, body))
    const { status = 500, headers = {}, body: bytes } = response ?? {}
    const text = bytes instanceof Uint8Array ? Buffer.from(bytes).toString() : ''
    return { status, headers, json: text === '' ? undefined : JSON.parse(text) }
  }
}

/** Refuses what the policy refuses to administrators too. */
function demandOfAll(policy: Policy): Access['demand'] {
  const subject = { kind: 'user', name: 'whoever can write here', groups: [], admin: true } as const
  return (action, repository, tag) => {
    const { allowed, because } = decide(policy, subject, { action, repository, tag })
    if (!allowed) throw denied(action, { repository, ...(tag && { tag }), because })
  }
}

/**
 * Asks the registry in a table of DynamoDB, by one's own credentials of AWS: whoever may write the table may do everything.
 * It cannot reach the bucket: the bytes of blobs are not to be had by it.
 */
export async function openTable(
  name: string,
  passwords = new Passwords(),
): Promise<{ ask: Ask; close(): void }> {
  const [{ openDynamo }, { DynamoTable }, { S3Blobs }] = await Promise.all([
    import('../lambda/store/dynamo/client.ts'),
    import('../lambda/store/dynamo-table.ts'),
    import('../lambda/store/s3-blobs.ts'),
  ])
  const client = openDynamo()
  const region = await client.config.region()
  const credentials = () => client.config.credentials()
  const store = new S3Blobs({ bucket: 'none', region, credentials })
  return { ask: askHere(new DynamoTable(client, name), store, passwords), close: () => client.destroy() }
}

/** Asks a registry over HTTP. */
export function openRegistry(origin: string, login?: { user: string; password: string }): Ask {
  const basic = login && Buffer.from(`${login.user}:${login.password}`).toString('base64')
  return async (method, target, body) => {
    const answer = await fetch(new URL(target, origin), {
      method,
      headers: {
        ...(basic && { authorization: `Basic ${basic}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      redirect: 'error',
    }).catch(error => {
      throw new Failure(`${origin} does not answer: ${reasonOf(error.cause ?? error)}`)
    })
    const text = await answer.text()
    const headers = Object.fromEntries(answer.headers)
    return { status: answer.status, headers, json: parse(text) }
  }
}

/** In one line, and with what can be done about it: what the system says of TLS is long and says neither. */
function reasonOf({ code = '', message }: NodeJS.ErrnoException): string {
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER') return 'it does not speak TLS (http://… asks without)'
  if (/SELF_SIGNED|UNABLE_TO/.test(code))
    return `its certificate is of nobody who is known here (NODE_EXTRA_CA_CERTS=<file> names more), ${code}`
  return message.split('\n', 1)[0] ?? message
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function requestOf(method: string, target: string, body: unknown): Request {
  const [path = '', query] = target.split('?')
  const bytes = body === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(body))
  return {
    method,
    path: decodeURIComponent(path),
    query: new URLSearchParams(query),
    headers: { 'content-length': String(bytes.length) },
    body: (async function* () {
      if (bytes.length > 0) yield bytes
    })(),
  }
}
