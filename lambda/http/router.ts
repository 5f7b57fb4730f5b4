import { type Digest, parseDigest } from '../protocol/digest.ts'
import { RegistryError } from '../protocol/errors.ts'
import { parseRepositoryName, type RepositoryName } from '../protocol/name.ts'
import { parseReference, parseUploadId, type Reference, type UploadId } from '../protocol/reference.ts'
import type { HttpRequest, HttpResponse } from './message.ts'

/** The parameters that path templates can contain, by name. */
interface Parts {
  readonly name: RepositoryName
  readonly digest: Digest
  /** Reference of a manifest to push. A malformed one is an error of the client. */
  readonly reference: Reference
  /** Reference of a manifest to read or delete. No manifest has a malformed tag, so the error is MANIFEST_UNKNOWN. */
  readonly existing: Reference
  readonly upload: UploadId
  /** Name of a user or a robot. It is not checked: no account has a malformed name. */
  readonly account: string
}

const PARSERS: { readonly [N in keyof Parts]: (text: string) => Parts[N] } = {
  name: parseRepositoryName,
  digest: parseDigest,
  reference: parseReference,
  existing: parseExisting,
  upload: parseUploadId,
  account: text => text,
}

type Names<Path> = Path extends `${string}<${infer Name}>${infer Rest}` ? Name | Names<Rest> : never
/** The parsed parameters of a path template: `'/v2/<name>/blobs/<digest>'` gives `{ name, digest }`. */
export type Params<Path> = Pick<Parts, Names<Path> & keyof Parts>

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
export type Handler<P, C> = (request: HttpRequest, params: P, context: C) => Promise<HttpResponse>

export interface Route<C, A extends string = string> {
  readonly method: Method
  /** The path template as written in the route table. Logs and metrics name the route by it. */
  readonly path: string
  /** The action that the caller must be allowed to perform. */
  readonly action: A
  readonly pattern: RegExp
  /** The template without parameter names. Templates that match the same paths have the same shape. */
  readonly shape: string
  readonly handle: Handler<Partial<Parts>, C>
}

/** Creates one row of the route table. The types of the handler's parameters follow from the path template. */
export function route<const Path extends string, C, A extends string>(
  method: Method,
  path: Path,
  action: A,
  handle: Handler<Params<Path>, C>,
): Route<C, A> {
  // A repository name may contain slashes and words such as `blobs`, so it matches everything before the end of the
  // path.
  const source = path
    .replace(/\/$/, '')
    .replace(/<(\w+)>/g, (_, name) => (name === 'name' ? '(?<name>.+)' : `(?<${name}>[^/]+)`))
  return {
    method,
    path,
    action,
    // Some clients append a slash to the path.
    pattern: new RegExp(path === '/' ? '^/$' : `^${source}/?$`, 's'),
    shape: path.replace(/<\w+>/g, '<>'),
    handle: handle as Handler<Partial<Parts>, C>,
  }
}

export interface Match<C, A extends string = string> {
  readonly route: Route<C, A>
  readonly params: Partial<Parts>
}

/**
 * Finds the route for a request: the first one in the table whose path matches, so less specific paths come later.
 * @throws {RegistryError} NOT_FOUND when no path matches; UNSUPPORTED with `Allow` when only the method is wrong; the
 * error of the parser when a parameter is malformed
 */
export function match<C, A extends string>(
  routes: readonly Route<C, A>[],
  method: string,
  path: string,
): Match<C, A> {
  const allowed: string[] = []
  let shape: string | undefined
  for (const route of routes) {
    const found = (shape ?? route.shape) === route.shape && route.pattern.exec(path)
    if (!found) continue
    shape = route.shape
    if (route.method === method) return { route, params: parse(found.groups ?? {}) }
    allowed.push(route.method)
  }
  if (allowed.length === 0)
    throw new RegistryError('NOT_FOUND', { message: 'there is no endpoint at this path' })
  const allow = allowed.join(', ')
  const message = `the method must be one of ${allow}`
  throw new RegistryError('UNSUPPORTED', { message, detail: { method }, headers: { allow } })
}

function parse(groups: Record<string, string>): Partial<Parts> {
  return Object.fromEntries(
    Object.entries(groups).map(([name, text]) => [name, PARSERS[name as keyof Parts](text)]),
  )
}

function parseExisting(text: string): Reference {
  try {
    return parseReference(text)
  } catch (cause) {
    if (text.includes(':')) throw cause
    throw new RegistryError('MANIFEST_UNKNOWN', {
      cause,
      message: 'the manifest is unknown: its reference is not a valid tag',
    })
  }
}
