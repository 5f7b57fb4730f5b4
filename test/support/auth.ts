import { randomBytes } from 'node:crypto'
import { type Auth, createAuth } from '../../lambda/auth/auth.ts'
import type { FederatedLogin } from '../../lambda/auth/identity/federated/login.ts'
import type { Passwords } from '../../lambda/auth/identity/passwords.ts'
import { Keyring } from '../../lambda/auth/tokens/keyring.ts'
import type { UploadRelay } from '../../lambda/routes/upload-relay.ts'
import { MemoryTable } from './memory-table.ts'
import { cheapPasswords } from './passwords.ts'
import { openRegistry, type RequestOptions } from './registry.ts'

export const PASSWORD = 'correct horse'
export const ORIGIN = 'https://registry.example'

export function newKey(): string {
  return randomBytes(32).toString('base64url')
}

export const basic = (name: string, password: string) => ({
  authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
})
export const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

/** Opens a registry in memory with authentication, the administrator `root` and a policy that tests may replace. */
export async function openGuarded({
  federated = [],
  table = new MemoryTable(),
  passwords = cheapPasswords,
  corsOrigins,
  relay,
  edgeMark,
}: {
  federated?: readonly FederatedLogin[]
  table?: MemoryTable
  passwords?: Passwords
  corsOrigins?: readonly string[]
  relay?: UploadRelay
  edgeMark?: () => string
} = {}) {
  let keys = [newKey()]
  let keyring = new Keyring(keys)
  const clock = { now: () => 0 }
  const auth: Auth = createAuth({
    table,
    clock: () => clock.now(),
    keyring: () => keyring,
    federated,
    passwords,
    ...(edgeMark && { edgeMark }),
  })
  const registry = openRegistry({
    table,
    auth,
    clientOrigin: ORIGIN,
    ...(corsOrigins && { corsOrigins }),
    ...(relay && { relay }),
  })
  clock.now = registry.now
  /** Adds a user with the password {@link PASSWORD}. */
  const addUser = (name: string, admin = false) => auth.accounts.addUser(name, { password: PASSWORD, admin })
  await addUser('root', true)

  async function setPolicy(policy: unknown): Promise<void> {
    await auth.policies.replace(policy, (await auth.policies.current()).version)
  }

  /** Requests a token for these scopes, as clients do. @param login headers with credentials, or none */
  async function tokenFor(login: Record<string, string>, ...scopes: string[]): Promise<string> {
    const query = scopes.map(scope => `&scope=${encodeURIComponent(scope)}`).join('')
    const { json } = await registry.expectStatus(200, 'GET', `/token?service=registry.example${query}`, {
      headers: login,
    })
    return (json as { token?: string }).token ?? ''
  }

  /** Sends a request with these headers, such as {@link basic} and {@link bearer}. */
  const as = (headers: Record<string, string>, method: string, target: string, sent: RequestOptions = {}) =>
    registry.request(method, target, { ...sent, headers: { ...sent.headers, ...headers } })

  return {
    ...registry,
    auth,
    addUser,
    keyring: () => keyring,
    setPolicy,
    tokenFor,
    as,
    /** Adds a new signing key. @param keep whether the earlier keys stay valid */
    rotate(keep = true) {
      keys = keep ? [newKey(), ...keys] : [newKey()]
      keyring = new Keyring(keys)
    },
  }
}
export type Guarded = Awaited<ReturnType<typeof openGuarded>>
