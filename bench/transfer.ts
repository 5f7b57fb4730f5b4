import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A file to push, and the digest of its content. */
export interface Layer {
  readonly file: string
  readonly digest: string
}

/**
 * The request that sends the bytes: Docker, podman and crane use one PATCH of unknown length, containerd and oras the
 * PUT.
 */
type UploadMethod = 'PATCH' | 'PUT'

/**
 * Pushes a layer to a repository with curl, which needs so little processor time that the server is measured and not
 * the client.
 */
export async function push(
  url: string,
  repository: string,
  layer: Layer,
  method: UploadMethod,
): Promise<void> {
  const upload = await location(url, `${url}/v2/${repository}/blobs/uploads/`, ['-X', 'POST'])
  const body = ['-H', 'content-type: application/octet-stream', '-T', layer.file]
  if (method === 'PUT') return curl(['-X', 'PUT', ...body, closingUrl(upload, layer)])
  const next = await location(url, upload, ['-X', 'PATCH', '-H', 'transfer-encoding: chunked', ...body])
  return curl(['-X', 'PUT', '-H', 'content-length: 0', closingUrl(next, layer)])
}

export function pull(url: string, repository: string, { digest }: Layer): Promise<void> {
  return curl([`${url}/v2/${repository}/blobs/${digest}`])
}

function closingUrl(upload: string, { digest }: Layer): string {
  const url = new URL(upload)
  url.searchParams.set('digest', digest)
  return url.href
}

async function curl(args: readonly string[]): Promise<void> {
  await run('curl', ['--silent', '--show-error', '--fail', '--output', '/dev/null', ...args])
}

async function location(base: string, url: string, args: readonly string[]): Promise<string> {
  const flags = ['--silent', '--show-error', '--fail', '--output', '/dev/null', '--dump-header', '-']
  const { stdout } = await run('curl', [...flags, ...args, url])
  const [, path] = /^location: *(\S+)/im.exec(stdout) ?? []
  if (path === undefined) throw new Error(`no Location from ${url}`)
  return new URL(path, base).href
}
