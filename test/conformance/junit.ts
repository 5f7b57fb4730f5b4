export interface JUnitCase {
  readonly name: string
  /** `passed`, `skipped`, `failure` or `error`. */
  readonly status: string
  /** What the suite said about it. */
  readonly message: string
}

const CASE = /<testcase name="([^"]*)"[^>]* status="([^"]*)"[^>]*>(.*?)<\/testcase>/gs
const MESSAGE = /<system-out>(.*?)<\/system-out>/s

/** Reads the one report that we read: its writer always writes attributes in this order and escapes what it must. */
export function parseJUnit(xml: string): JUnitCase[] {
  return [...xml.matchAll(CASE)].map(([, name = '', status = '', rest = '']) => ({
    name: unescaped(name),
    status,
    message: unescaped(MESSAGE.exec(rest)?.[1] ?? ''),
  }))
}

function unescaped(text: string): string {
  const named: Record<string, string> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' }
  return text.replace(/&(?:#x(\w+)|#(\d+)|(\w+));/g, (whole, hex, decimal, name) =>
    name ? (named[name] ?? whole) : String.fromCodePoint(hex ? Number.parseInt(hex, 16) : Number(decimal)),
  )
}
