/**
 * The scheme, host and port by which a client reaches this registry. Every absolute URL in a response begins with it.
 */
export interface Origin {
  /** Such as `https://registry.example`, without a slash at the end. */
  readonly url: string
  /**
   * Whether it comes from a setting. Otherwise an adapter derived it from the request: from `Host`, or from a header
   * that a trusted proxy or CloudFront sets.
   */
  readonly isConfigured: boolean
}

interface WithOrigin {
  readonly origin?: Origin | undefined
}

/**
 * The URL for `Location` and `Link`: absolute when the origin is configured, a path otherwise. A client resolves a path
 * against the URL of its request, which is safer than an origin derived from `Host`.
 */
export function locationUrl({ origin }: WithOrigin, path: string): string {
  return origin?.isConfigured ? origin.url + path : path
}

/**
 * The URL for headers that require an absolute URL, such as the realm of a challenge. A path when no origin is known.
 */
export function absoluteUrl({ origin }: WithOrigin, path: string): string {
  return `${origin?.url ?? ''}${path}`
}

/** The host and port of an origin, without its scheme. Empty when there is no origin. */
export function hostOfOrigin(url = ''): string {
  return url.replace(/^https?:\/\//, '')
}
