import type { OriginId, RequestRecord } from './cloudfront.ts'

interface Traffic {
  readonly requests: number
  /** Bytes of request bodies and of response bodies. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** Size of the largest request body. */
  readonly largestIn: number
}

const PATHS = ['api', 'relay', 'bucket', 'edge'] as const

/** Traffic to each origin. `edge`: responses that CloudFront made itself. */
export function trafficOf(requests: readonly RequestRecord[]): Record<OriginId | 'edge', Traffic> {
  const of = (path: RequestRecord['origin']): Traffic => {
    const some = requests.filter(({ origin }) => origin === path)
    return {
      requests: some.length,
      bytesIn: some.reduce((sum, { bytesIn }) => sum + bytesIn, 0),
      bytesOut: some.reduce((sum, { bytesOut }) => sum + bytesOut, 0),
      largestIn: some.reduce((largest, { bytesIn }) => Math.max(largest, bytesIn), 0),
    }
  }
  return { api: of('api'), relay: of('relay'), bucket: of('bucket'), edge: of('edge') }
}

/** The traffic as a table. It has no downloads by presigned URL, because they bypass CloudFront. */
export function trafficTable(requests: readonly RequestRecord[]): string {
  const traffic = trafficOf(requests)
  const row = (first: string, ...others: (string | number)[]) =>
    first.padEnd(8) + others.map(other => other.toLocaleString('en').padStart(18)).join('')
  const rows = PATHS.map(path => {
    const { requests, bytesIn, bytesOut, largestIn } = traffic[path]
    return row(path, requests, bytesIn, bytesOut, largestIn)
  })
  return [row('path', 'requests', 'bytes in', 'bytes out', 'largest body'), ...rows].join('\n')
}

/** One line about a request. */
export function requestLine({ origin, method, path, status, bytesIn, bytesOut }: RequestRecord): string {
  return `${status} ${method} ${path} → ${origin}, ${bytesIn.toLocaleString('en')} bytes in, ${bytesOut.toLocaleString('en')} out`
}
