import { randomBytes, randomUUID } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import type { Access } from '../lambda/auth/access.ts'
import { createAuth } from '../lambda/auth/auth.ts'
import { type Authorize, OPEN_ACCESS } from '../lambda/auth/authorizer.ts'
import type { Passwords } from '../lambda/auth/identity/passwords.ts'
import { decide, immutableTagMatcher, type Policy } from '../lambda/auth/policy/policy.ts'
import { forbidden } from '../lambda/auth/tokens/challenge.ts'
import { Keyring } from '../lambda/auth/tokens/keyring.ts'
import type { HttpRequest } from '../lambda/http/message.ts'
import { UPLOAD_LIFETIME } from '../lambda/registry/dependencies.ts'
import { createRegistryApp } from '../lambda/registry-app.ts'
import type { BlobStore } from '../lambda/store/blobs.ts'
import { FileBlobs } from '../lambda/store/files/blobs.ts'
import { SqliteTable } from '../lambda/store/sqlite/table.ts'
import type { Table } from '../lambda/store/table.ts'
import { databaseIn, prepareFolder } from '../server/data-folder.ts'
import { refuseMissingTable } from '../server/missing-table.ts'
import { CliError } from './cli-error.ts'
import type { Connection, SendRequest } from './registry-client.ts'

const DAY = 24 * 60 * 60 * 1000

/**
 * Opens the registry in a data folder, whether or not a server runs on it. Access to the folder is full access.
 * @param options.create creates the registry if the folder is empty or does not exist, as the server does
 * @throws {CliError} if there is no registry
 */
export async function openFolder(
  folder: string,
  options: { readonly create: boolean; readonly passwords: Passwords },
): Promise<Connection> {
  const database = databaseIn(folder)
  if (!existsSync(database) && !(options.create && isEmpty(folder))) throw new CliError(noRegistryIn(folder))
  try {
    prepareFolder(folder)
    refuseMissingTable(folder, false)
    const table = new SqliteTable(database)
    const store = await FileBlobs.open(folder)
    const send = sendInProcess({
      table,
      store,
      passwords: options.passwords,
      place: `the registry in ${folder}`,
    })
    return { send, close: () => table.close() }
  } catch (error) {
    throw new CliError(`cannot use the registry in ${folder}: ${(error as Error).message}`)
  }
}

/** Whether a folder does not exist or is empty. A new file system contains the folder `lost+found`. */
function isEmpty(folder: string): boolean {
  try {
    return readdirSync(folder).every(name => name === 'lost+found')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true
    throw new CliError(`cannot use the data folder: ${(error as Error).message}`)
  }
}

function noRegistryIn(folder: string): string {
  const remedy = isEmpty(folder)
    ? 'start the server or add a user to create one'
    : 'the folder holds other files'
  return `there is no registry in ${folder}: ${remedy}, or name the right one with --data or --registry`
}

/**
 * Opens the accounts and the policy of a deployment on AWS, in its DynamoDB table. AWS credentials that may write the
 * table give full access. Blobs cannot be read, because the bucket is unknown.
 * @throws {CliError} if no region is configured
 */
export async function openTable(name: string, passwords: Passwords): Promise<Connection> {
  const [{ createDynamoClient }, { DynamoTable }, { S3Blobs }] = await Promise.all([
    import('../lambda/store/dynamodb/client.ts'),
    import('../lambda/store/dynamodb/table.ts'),
    import('../lambda/store/s3/blobs.ts'),
  ])
  const client = createDynamoClient()
  const region = await client.config.region().catch(() => {
    throw new CliError('no AWS region was found: set AWS_REGION, or set a region in your AWS profile')
  })
  const credentials = () => client.config.credentials()
  const store = new S3Blobs({ bucket: 'none', region, credentials })
  const table = new DynamoTable(client, name)
  const send = sendInProcess({ table, store, passwords, place: `the table ${name}` })
  return { send, close: async () => client.destroy() }
}

interface InProcess {
  readonly table: Table
  readonly store: BlobStore
  readonly passwords: Passwords
  /** Names the registry in the message of a fault. */
  readonly place: string
}

/**
 * Sends requests to an app in this process. They have every right except one: immutable tags cannot be deleted here
 * either. A fault is thrown with its cause: the caller operates the registry, and no log has it.
 */
function sendInProcess({ table, store, passwords, place }: InProcess): SendRequest {
  const keyring = new Keyring([randomBytes(32).toString('base64url')]) // no token is issued here
  const auth = createAuth({ table, clock: Date.now, keyring: () => keyring, passwords })
  const deps = {
    table,
    store,
    clock: Date.now,
    newId: randomUUID,
    gracePeriod: DAY,
    uploadLifetime: UPLOAD_LIFETIME,
  }
  const authorize: Authorize = async (_, { action }) => {
    if (action !== 'delete') return OPEN_ACCESS
    const { policy } = await auth.policies.current()
    const immutable = (name: string) => immutableTagMatcher(policy, name)
    return { ...OPEN_ACCESS, require: requireAsAdmin(policy), immutableTags: immutable }
  }
  const { app } = createRegistryApp(deps, { auth: { ...auth, authorize } })
  return async (method, target, body) => {
    const { response, fault, code } = await app(requestOf(method, target, body))
    if (fault !== undefined)
      throw isExpected(fault, code) ? new CliError(`cannot use ${place}: ${messageOf(fault)}`) : fault
    const { status = 500, headers = {}, body: bytes } = response ?? {}
    const text = bytes instanceof Uint8Array ? Buffer.from(bytes).toString() : ''
    return { status, headers, json: text === '' ? undefined : JSON.parse(text) }
  }
}

/** Whether a fault comes from the store or from AWS. Any other fault is a bug, whose stack is needed. */
function isExpected(fault: unknown, code: string | undefined): boolean {
  return code !== 'UNKNOWN' || (fault instanceof Error && '$metadata' in fault)
}

/** The message of the error that began a chain of causes: the others only say that the store failed. */
function messageOf(fault: unknown): string {
  let first = fault
  while (first instanceof Error && first.cause instanceof Error) first = first.cause
  return first instanceof Error ? first.message || first.name : String(first)
}

/** Applies the prohibitions of the policy that apply to administrators too. */
function requireAsAdmin(policy: Policy): Access['require'] {
  const subject = { kind: 'user', name: 'local administrator', groups: [], admin: true } as const
  return (action, repository, tag) => {
    const { allowed, because } = decide(policy, subject, { action, repository, tag })
    if (!allowed) throw forbidden(action, { repository, ...(tag && { tag }), because })
  }
}

function requestOf(method: string, target: string, body: unknown): HttpRequest {
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
