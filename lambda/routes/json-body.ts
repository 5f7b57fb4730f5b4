import * as v from 'valibot'
import { PolicyError } from '../auth/policy/policy.ts'
import { readBody } from '../http/body.ts'
import type { HttpRequest } from '../http/message.ts'
import { RegistryError } from '../protocol/errors.ts'
import { formatIssue } from '../util/format-issue.ts'

/** Maximum size of a JSON request body, in bytes. The largest documents are policies. */
const MAX_JSON_SIZE = 512 * 1024

/**
 * Reads a JSON request body. An empty body counts as `{}`.
 * @throws {RegistryError} BAD_REQUEST with the name of the field and the problem; CONTENT_TOO_LARGE above 512 KiB
 */
export async function readJson<T>(request: HttpRequest, schema: v.GenericSchema<unknown, T>): Promise<T> {
  const text = Buffer.from(await readBody(request, MAX_JSON_SIZE)).toString() || '{}'
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), schema), text)
  if (parsed.success) return parsed.output
  throw badRequest(formatIssue(parsed.issues, 'the body'))
}

/** Runs `work`. @throws {RegistryError} BAD_REQUEST for an invalid policy or grant */
export async function policyErrorsAsBadRequest<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw error instanceof PolicyError ? badRequest(error.message) : error
  }
}

function badRequest(reason: string): RegistryError {
  return new RegistryError('BAD_REQUEST', { detail: { reason } })
}
