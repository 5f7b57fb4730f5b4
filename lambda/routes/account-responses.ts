import * as v from 'valibot'
import type { Accounts } from '../auth/identity/accounts.ts'
import type { HttpResponse } from '../http/message.ts'
import { RegistryError } from '../protocol/errors.ts'
import type { Context } from './context.ts'
import { jsonResponse } from './responses.ts'

/** A response that holds a key or a token must not be stored by caches. */
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

/** A new account: 201, and never stored by caches, because it may hold a key. */
export function created(value: object): HttpResponse {
  return { ...jsonResponse(value, NO_STORE), status: 201 }
}

/** @throws {RegistryError} NOT_FOUND where logins are off */
export function accountsOf({ accounts }: Context): Accounts {
  return accounts ?? loginsAreOff()
}

/** @throws {RegistryError} NOT_FOUND, always */
export function loginsAreOff(): never {
  throw new RegistryError('NOT_FOUND', { detail: { reason: 'logins are turned off in this registry' } })
}
