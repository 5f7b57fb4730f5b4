import { CliError } from './cli-error.ts'

export interface RegistryResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** The parsed body. Undefined if there is none. */
  readonly json: unknown
}

/**
 * Sends one request to a registry: over HTTP, or to an app in this process.
 * @throws {CliError} if the registry is unreachable
 */
export type SendRequest = (method: string, target: string, body?: unknown) => Promise<RegistryResponse>

/** A connection to a registry. */
export interface Connection {
  readonly send: SendRequest
  /** Closes the table and the blob store of an app in this process. */
  close(): Promise<void>
}

/** One row of a list, by column. */
interface Row {
  readonly [column: string]: unknown
}

/**
 * A client of the registry's APIs. Every method throws a {@link CliError} with the registry's reason if the registry
 * refuses a request.
 */
export class RegistryClient {
  readonly #send: SendRequest
  constructor(send: SendRequest) {
    this.#send = send
  }

  async request(method: string, target: string, body?: unknown): Promise<unknown> {
    return (await this.#ensureOk(method, target, body)).json
  }

  get(target: string): Promise<unknown> {
    return this.request('GET', target)
  }

  /** The rows in the field `name` of a response. */
  async rows(target: string, name: string): Promise<Row[]> {
    return ((await this.get(target)) as Record<string, Row[]>)[name] ?? []
  }

  /**
   * The entries of all pages of a list of the distribution API, in whose responses a `Link` header names the next page.
   */
  async pages(target: string, name: string): Promise<string[]> {
    const all: string[] = []
    for (let next: string | undefined = target; next; ) {
      const response: RegistryResponse = await this.#ensureOk('GET', next)
      all.push(...((response.json as Record<string, string[]>)[name] ?? []))
      const link = /^<([^>]+)>/.exec(response.headers.link ?? '')?.[1]
      next = link?.slice(link.indexOf('/v2/'))
    }
    return all
  }

  async #ensureOk(method: string, target: string, body?: unknown): Promise<RegistryResponse> {
    const response = await this.#send(method, target, body)
    if (response.status < 400) return response
    throw new CliError(reasonOf(response))
  }
}

interface ErrorDocument {
  readonly errors?: readonly {
    readonly code: string
    readonly message: string
    readonly detail?: Readonly<Record<string, unknown>>
  }[]
}

/** Why the registry refused a request, in one line. */
export function reasonOf({ status, json }: RegistryResponse): string {
  const [error] = (json as ErrorDocument | undefined)?.errors ?? []
  if (!error) return `the registry responded with status ${status}`
  if (error.code === 'DENIED') return `not allowed: ${error.message}`
  const { reason, ...rest } = error.detail ?? {}
  const text = typeof reason === 'string' ? reason : error.message
  const details = Object.entries(rest)
    .map(([name, value]) => [name, formatValue(value)] as const)
    .filter(([, value]) => !text.includes(value)) // most messages contain the values of the detail
    .map(([name, value]) => `${name} ${value}`)
  return details.length > 0 ? `${text} (${details.join(', ')})` : text
}

function formatValue(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
