/**
 * How clients upload layers and what they do with an error, by their `User-Agent`. The facts are from the clients' source:
 *
 * - `put`: one PUT with the whole layer. They never need the relay.
 * - `docker`: Docker Engine with a graph driver. One PATCH of unknown length. Retries a 503 after 5, 10, 15 and 20 s.
 *   Prints the message of a 4xx only.
 * - `containers`: podman, buildah, skopeo, CRI-O. One PATCH. Retries nothing but 429, five times, and obeys Retry-After.
 *   Prints the message of a 4xx only.
 * - `ggcr`: crane, ko, cosign, kaniko. One PATCH with a Content-Length. Retries a 503 twice.
 * - `jib`: one PATCH of unknown length. Its read timeout is 20 s. Follows a 307, and retries no error response.
 * - `unknown`: anything else. It may send one PATCH.
 */
export type ClientFamily = 'put' | 'docker' | 'containers' | 'ggcr' | 'jib' | 'unknown'

/** The first pattern that matches decides. BuildKit and Docker with the containerd store name containerd's client too. */
const FAMILIES: readonly (readonly [ClientFamily, RegExp])[] = [
  ['put', /containerd-client\/|^(?:containerd|buildkit|oras|oras-go|Helm|regclient|longshore)\//i],
  ['ggcr', /go-containerregistry\/|^(?:kaniko|cosign|crane|ko)\//i],
  ['containers', /github\.com\/containers\/|^(?:containers|skopeo|podman|libpod|buildah|cri-o)\//i],
  ['docker', /^docker\//i],
  ['jib', /^jib[ /]/i],
]

export function clientFamily(userAgent: string | undefined): ClientFamily {
  return FAMILIES.find(([, pattern]) => pattern.test(userAgent ?? ''))?.[0] ?? 'unknown'
}

/**
 * Whether a client needs the relay as soon as it begins a push. A `ggcr` client says the length of each layer when it sends it, so it
 * needs the relay only when a layer is too large for the API: cosign and small images start nothing.
 */
export function needsRelayToBegin(family: ClientFamily): boolean {
  return family !== 'put' && family !== 'ggcr'
}

/** How long a request may wait for the relay, in milliseconds. API Gateway ends a request after 30 s; jib gives up after 20 s. */
export function maxWaitMs(family: ClientFamily): number {
  return family === 'jib' ? 15_000 : 27_000
}
