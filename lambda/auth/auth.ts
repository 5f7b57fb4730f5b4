import type { Table } from '../store/table.ts'
import { type Authorize, createAuthorizer } from './authorizer.ts'
import { Accounts } from './identity/accounts.ts'
import type { FederatedLogin } from './identity/federated/login.ts'
import { LoginLimits } from './identity/login-limits.ts'
import { Logins } from './identity/logins.ts'
import { Passwords } from './identity/passwords.ts'
import { Policies } from './policy/policies.ts'
import type { Keyring } from './tokens/keyring.ts'
import { TokenService } from './tokens/token-service.ts'

interface AuthParts {
  readonly table: Table
  /** Milliseconds since 1970. */
  readonly clock: () => number
  /** Called for each signature and each verification, because keys are rotated. */
  readonly keyring: () => Keyring
  readonly federated?: readonly FederatedLogin[]
  /** Hashes and verifies the passwords of users. Absent: at the production cost, in this process. */
  readonly passwords?: Passwords
  /** Returns the mark of tokens that allow a push, if requests pass an edge that verifies it. */
  readonly edgeMark?: () => string
}

/** Logins and access control of a registry. */
export interface Auth {
  readonly authorize: Authorize
  readonly tokens: TokenService
  readonly accounts: Accounts
  readonly policies: Policies
}

/** Creates all parts on one table. They share one cache of logins. */
export function createAuth({
  table,
  clock,
  keyring,
  federated = [],
  passwords = new Passwords(),
  edgeMark,
}: AuthParts): Auth {
  const accounts = new Accounts({ table, clock, passwords })
  const policies = new Policies(table)
  const limits = new LoginLimits({ table, keyring, clock })
  const logins = new Logins({ accounts, passwords, limits, federated, clock })
  return {
    authorize: createAuthorizer({ logins, policies, keyring, clock }),
    tokens: new TokenService({ table, logins, policies, keyring, clock, edgeMark }),
    accounts,
    policies,
  }
}
