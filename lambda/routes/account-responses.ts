import * as v from 'valibot'
import type { Accounts } from '../auth/identity/accounts.ts'
import type { HttpResponse } from '../http/message.ts'
import { RegistryError } from '../protocol/errors.ts'
import type { Context } from './context.ts'
import { jsonResponse } from './responses.ts'

/** Header of responses that contain a key or a token: caches must not store them. */
export const NO_STORE = { 'cache-control': 'no-store' }

const timestamp = v.pipe(v.number(), v.integer())

/** The fields that responses about users and robots share. */
export const ACCOUNT_FIELDS = {
  name: v.string(),
  created: v.pipe(timestamp, v.description('Milliseconds since 1970.')),
  expires: v.optional(v.pipe(timestamp, v.description('Milliseconds since 1970. Absent: never.'))),
  disabled: v.boolean(),
  lastUsed: v.optional(v.pipe(timestamp, v.description('Milliseconds since 1970, to the hour.'))),
}

/** The response for a new account: 201. Caches must not store it, because it may contain a key. */
export function created(value: object): HttpResponse {
  return { ...jsonResponse(value, NO_STORE), status: 201 }
}

/** The accounts of the registry. @throws {RegistryError} NOT_FOUND when authentication is disabled */
export function accountsOf({ accounts }: Context): Accounts {
  return accounts ?? throwAuthDisabled()
}

/** @throws {RegistryError} NOT_FOUND, always */
export function throwAuthDisabled(): never {
  throw new RegistryError('NOT_FOUND', { detail: { reason: 'authentication is disabled in this registry' } })
}
