import * as v from 'valibot'
import { PolicyError } from '../auth/policy/policy.ts'
import { readBody } from '../http/body.ts'
import type { HttpRequest } from '../http/message.ts'
import { RegistryError } from '../protocol/errors.ts'
import { formatIssue } from '../util/format-issue.ts'

/** Bytes of a JSON request body. The largest legitimate one is a policy. */
const MAX_JSON_SIZE = 512 * 1024

/**
 * Reads a JSON request body. An empty body counts as `{}`.
 * @throws {RegistryError} BAD_REQUEST that names the field and the problem; CONTENT_TOO_LARGE
 */
export async function readJson<T>(request: HttpRequest, schema: v.GenericSchema<unknown, T>): Promise<T> {
  const text = Buffer.from(await readBody(request, MAX_JSON_SIZE)).toString() || '{}'
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), schema), text)
  if (parsed.success) return parsed.output
  throw badRequest(formatIssue(parsed.issues, 'the body'))
}

/** Runs `work` and reports an invalid policy or grant as the client's error. @throws {RegistryError} BAD_REQUEST */
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
