import * as v from 'valibot'
import { ClientError } from '../client-error.ts'
import { readAll, type TransportResponse } from './transport.ts'

const ErrorDocument = v.object({
  errors: v.array(
    v.looseObject({
      code: v.optional(v.string()),
      message: v.optional(v.nullable(v.string())),
      detail: v.optional(v.unknown()),
    }),
  ),
})

const MAX_DOCUMENT = 64 * 1024
/** Some registries put a whole web page into the message. */
const MAX_TEXT = 400

/** A response that is an error for the caller. */
export class RefusedError extends ClientError {
  readonly status: number
  /** Of the error document, such as `MANIFEST_UNKNOWN`. */
  readonly code: string | undefined
  constructor(message: string, status: number, code?: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

/** Reads the reason of a refusal from the error document. @param what the beginning of the sentence */
export async function refusal(response: TransportResponse, what: string): Promise<RefusedError> {
  const text = await readAll(response, MAX_DOCUMENT)
    .then(String)
    .catch(() => '')
  response.body.destroy()
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), ErrorDocument), text)
  const [error] = parsed.success ? parsed.output.errors : []
  const reason = error?.message || error?.code || `it responded with status ${response.status}`
  const status = error ? ` (${response.status})` : ''
  const login = response.status === 401 ? '; log in with "longshore login" or "docker login"' : ''
  return new RefusedError(`${what}: ${oneLine(reason)}${status}${login}`, response.status, error?.code)
}

function oneLine(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length > MAX_TEXT ? `${line.slice(0, MAX_TEXT)}…` : line
}
