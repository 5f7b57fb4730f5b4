export interface JUnitCase {
  readonly name: string
  /** `passed`, `skipped`, `failure` or `error`. */
  readonly status: string
  /** The output of the suite for the test. */
  readonly message: string
}

const CASE = /<testcase name="([^"]*)"[^>]* status="([^"]*)"[^>]*>(.*?)<\/testcase>/gs
const MESSAGE = /<system-out>(.*?)<\/system-out>/s

/**
 * Parses the report of the conformance suite, which always writes the attributes in this order and escapes special
 * characters.
 */
export function parseJUnit(xml: string): JUnitCase[] {
  return [...xml.matchAll(CASE)].map(([, name = '', status = '', rest = '']) => ({
    name: decodeEntities(name),
    status,
    message: decodeEntities(MESSAGE.exec(rest)?.[1] ?? ''),
  }))
}

function decodeEntities(text: string): string {
  const named: Record<string, string> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' }
  return text.replace(/&(?:#x(\w+)|#(\d+)|(\w+));/g, (whole, hex, decimal, name) =>
    name ? (named[name] ?? whole) : String.fromCodePoint(hex ? Number.parseInt(hex, 16) : Number(decimal)),
  )
}
