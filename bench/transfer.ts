import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A file to push, and the digest of what is in it. */
export interface Layer {
  readonly file: string
  readonly digest: string
}

/** How a client sends a blob: Docker, podman and crane in one PATCH of unknown length, containerd and oras in the PUT. */
type Road = 'PATCH' | 'PUT'

/**
 * Pushes a layer to a repository. By curl, which hashes nothing and copies little, so that a machine of two cores
 * shows the server and not the client.
 */
export async function push(url: string, repository: string, layer: Layer, road: Road): Promise<void> {
  const upload = await location(url, `${url}/v2/${repository}/blobs/uploads/`, ['-X', 'POST'])
  const body = ['-H', 'content-type: application/octet-stream', '-T', layer.file]
  if (road === 'PUT') return curl(['-X', 'PUT', ...body, closing(upload, layer)])
  const next = await location(url, upload, ['-X', 'PATCH', '-H', 'transfer-encoding: chunked', ...body])
  return curl(['-X', 'PUT', '-H', 'content-length: 0', closing(next, layer)])
}

export function pull(url: string, repository: string, { digest }: Layer): Promise<void> {
  return curl([`${url}/v2/${repository}/blobs/${digest}`])
}

function closing(upload: string, { digest }: Layer): string {
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
