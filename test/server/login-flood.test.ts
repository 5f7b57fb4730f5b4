import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createAuth } from '../../lambda/auth/auth.ts'
import type { KeyDerivation } from '../../lambda/auth/identity/key-derivation.ts'
import { Passwords } from '../../lambda/auth/identity/passwords.ts'
import { Keyring } from '../../lambda/auth/tokens/keyring.ts'
import type { App } from '../../lambda/http/app.ts'
import { createRegistryApp } from '../../lambda/registry-app.ts'
import { FileBlobs } from '../../lambda/store/files/blobs.ts'
import { SqliteTable } from '../../lambda/store/sqlite/table.ts'
import { WorkQueue } from '../../server/work-queue.ts'
import { basic } from '../support/auth.ts'
import { GRACE, UPLOAD_LIFE } from '../support/registry.ts'
import { TempDir } from '../support/temp-dir.ts'

/** A hasher behind a queue of 2 that is stuck until the test lets it go. */
function stuck(): KeyDerivation & { release(): void } {
  const queue = new WorkQueue({ running: 1, waiting: 1, perClient: 9 })
  const { promise, resolve } = Promise.withResolvers<void>()
  return {
    scrypt: ({ length }, from) => queue.run(() => promise.then(() => Buffer.alloc(length, 1)), from),
    bcrypt: (_, from) => queue.run(() => promise.then(() => false), from),
    release: resolve,
  }
}

const BLOB = Buffer.from('a small layer')
const DIGEST = `sha256:${createHash('sha256').update(BLOB).digest('hex')}`

let scratch: TempDir
let table: SqliteTable
let hasher: ReturnType<typeof stuck>
let send: (headers: Record<string, string>, method: string, target: string, body?: Buffer) => Promise<Sent>
let robot: Record<string, string>
interface Sent {
  readonly status: number | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

beforeEach(async () => {
  scratch = new TempDir('longshore-flood-')
  table = new SqliteTable(join(scratch.path, 'registry.sqlite'))
  hasher = stuck()
  const keyring = new Keyring([randomBytes(32).toString('base64url')])
  const passwords = new Passwords({ derivation: hasher })
  const auth = createAuth({ table, clock: Date.now, keyring: () => keyring, passwords })
  const store = await FileBlobs.open(scratch.path)
  const deps = {
    table,
    store,
    clock: Date.now,
    newId: randomUUID,
    gracePeriod: GRACE,
    uploadLifetime: UPLOAD_LIFE,
  }
  const { app } = createRegistryApp(deps, { auth })
  send = (headers, method, target, body) => ask(app, headers, method, target, body)
  const { key } = await auth.accounts.addRobot('ci', { grants: [{ may: ['pull', 'push'], on: ['**'] }] })
  robot = basic('ci', key)
  const { status } = await send(robot, 'POST', `/v2/app/blobs/uploads/?digest=${DIGEST}`, BLOB)
  expect(status).toBe(201)
})
afterEach(async () => {
  hasher.release()
  await table.close()
  scratch.remove()
})

describe('while logins wait for the hasher', () => {
  const flood = () => [1, 2].map(i => send(basic(`user${i}`, 'wrong'), 'GET', '/v2/'))

  it('a blob is pulled', async () => {
    const logins = flood()
    const { status, body } = await send(robot, 'GET', `/v2/app/blobs/${DIGEST}`)
    expect([status, body]).toEqual([200, BLOB])
    hasher.release()
    expect((await Promise.all(logins)).map(({ status }) => status)).toEqual([401, 401])
  })

  it('one login more is refused at once, with the time after which to try again', async () => {
    const logins = flood()
    const { status, headers, body } = await send(basic('ann', 'wrong'), 'GET', '/v2/')
    expect([status, headers['retry-after']]).toEqual([429, '2'])
    expect(JSON.parse(body.toString()).errors[0].message).toBe('too many logins at the same time')
    hasher.release()
    await Promise.all(logins)
  })

  it('a login that was refused does not count as a wrong password', async () => {
    const logins = flood()
    for (let i = 0; i < 20; i++) await send(basic('ann', 'wrong'), 'GET', '/v2/')
    hasher.release()
    await Promise.all(logins)
    expect((await send(basic('ann', 'wrong'), 'GET', '/v2/')).status).toBe(401)
  })
})

async function ask(
  app: App,
  headers: Record<string, string>,
  method: string,
  target: string,
  sent: Buffer = Buffer.alloc(0),
): Promise<Sent> {
  const { pathname, searchParams } = new URL(target, 'http://registry')
  const { response } = await app({
    method,
    path: pathname,
    query: searchParams,
    headers: { ...headers, 'content-length': String(sent.length) },
    remote: '192.0.2.1',
    body: (async function* () {
      if (sent.length > 0) yield sent
    })(),
  })
  const pieces: Buffer[] = []
  const body = response?.body ?? Buffer.alloc(0)
  for await (const piece of body instanceof Uint8Array ? [body] : body) pieces.push(Buffer.from(piece))
  return { status: response?.status, headers: response?.headers ?? {}, body: Buffer.concat(pieces) }
}
