import type { Answer, Ask } from './ask.ts'
import { Failure } from './failure.ts'

/** What is in a list of the registry, by column. */
interface Row {
  readonly [column: string]: unknown
}

/** @throws {Failure} with what the registry says, when it refuses */
export async function get(ask: Ask, target: string): Promise<unknown> {
  return (await well(ask('GET', target))).json
}

/** @throws {Failure} with what the registry says, when it refuses */
export async function send(ask: Ask, method: string, target: string, body?: unknown): Promise<unknown> {
  return (await well(ask(method, target, body))).json
}

/** All pages of a list, in one. */
export async function pages(ask: Ask, target: string, name: string): Promise<string[]> {
  const all: string[] = []
  for (let next: string | undefined = target; next; ) {
    const { json, headers }: Answer = await well(ask('GET', next))
    all.push(...((json as Record<string, string[]>)[name] ?? []))
    const link = /^<([^>]+)>/.exec(headers.link ?? '')?.[1]
    next = link?.slice(link.indexOf('/v2/'))
  }
  return all
}

/** @throws {Failure} with what the registry says, when it refuses */
async function well(asked: Promise<Answer>): Promise<Answer> {
  const answer = await asked
  if (answer.status < 400) return answer
  const { errors: [error] = [] } = (answer.json ?? {}) as {
    errors?: ErrorPart[]
  }
  throw new Failure(error ? sayError(error) : `the registry answers ${answer.status}`)
}

interface ErrorPart {
  readonly code: string
  readonly message: string
  readonly detail?: Readonly<Record<string, unknown>>
}

/** What is to be done about it, where the detail says that. */
function sayError({ code, message, detail = {} }: ErrorPart): string {
  if (code === 'DENIED') return `not allowed: ${message}`
  const { reason, ...rest } = detail
  const sentence = typeof reason === 'string' ? reason : message
  // Most messages name the facts of the detail already.
  const about = Object.entries(rest)
    .map(([what, value]) => [what, sayValue(value)] as const)
    .filter(([, value]) => !sentence.includes(value))
    .map(([what, value]) => `${what} ${value}`)
  return `${sentence}${about.length > 0 ? ` (${about.join(', ')})` : ''}`
}

function sayValue(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** A list that stands under a name. */
export function rows(json: unknown, name: string): Row[] {
  return (json as Record<string, Row[]>)[name] ?? []
}
