import type { OriginId, Passage } from './cloudfront.ts'

interface Traffic {
  readonly requests: number
  /** Bytes of bodies, from viewers and to them. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** The longest body of a viewer. */
  readonly largestIn: number
}

const WAYS = ['api', 'relay', 'bucket', 'edge'] as const

/** What went each way; `edge` is what CloudFront answered itself. */
export function trafficOf(passages: readonly Passage[]): Record<OriginId | 'edge', Traffic> {
  const of = (way: Passage['origin']): Traffic => {
    const some = passages.filter(({ origin }) => origin === way)
    return {
      requests: some.length,
      bytesIn: some.reduce((sum, { bytesIn }) => sum + bytesIn, 0),
      bytesOut: some.reduce((sum, { bytesOut }) => sum + bytesOut, 0),
      largestIn: some.reduce((most, { bytesIn }) => Math.max(most, bytesIn), 0),
    }
  }
  return { api: of('api'), relay: of('relay'), bucket: of('bucket'), edge: of('edge') }
}

/** The same as a table for people. Presigned downloads are not in it: those do not come by CloudFront. */
export function trafficTable(passages: readonly Passage[]): string {
  const traffic = trafficOf(passages)
  const row = (first: string, ...others: (string | number)[]) =>
    first.padEnd(8) + others.map(other => other.toLocaleString('en').padStart(18)).join('')
  const rows = WAYS.map(way => {
    const { requests, bytesIn, bytesOut, largestIn } = traffic[way]
    return row(way, requests, bytesIn, bytesOut, largestIn)
  })
  return [row('way', 'requests', 'bytes in', 'bytes out', 'longest body'), ...rows].join('\n')
}

/** One request, in a line. */
export function passageLine({ origin, method, path, status, bytesIn, bytesOut }: Passage): string {
  return `${status} ${method} ${path} → ${origin}, ${bytesIn.toLocaleString('en')} bytes in, ${bytesOut.toLocaleString('en')} out`
}
