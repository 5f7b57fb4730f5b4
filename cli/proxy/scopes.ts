/** What a request needs, in Docker's grammar. */
export function scopesOf(method: string, path: string, mountFrom?: string): string[] {
  if (path === '/v2/_catalog') return ['registry:catalog:*']
  const [, repository] = /^\/v2\/(.+)\/(?:blobs|manifests|tags|referrers)\//.exec(path) ?? []
  if (!repository) return []
  const source = mountFrom ? [`repository:${mountFrom}:pull`] : []
  return [`repository:${repository}:${actionsFor(method)}`, ...source]
}

function actionsFor(method: string): string {
  if (method === 'GET' || method === 'HEAD') return 'pull'
  return method === 'DELETE' ? 'pull,delete' : 'pull,push'
}
