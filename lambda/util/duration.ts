const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/
/** Ten years. A time plus such a duration is an exact integer in JavaScript and in SQLite. */
const MAX_DURATION = 3_650 * UNITS.d

/**
 * Parses a duration such as `24h`, `30m`, `1.5s` or `500ms`.
 * @returns milliseconds; `undefined` if the text is not a duration or the duration exceeds ten years
 */
export function parseDuration(text: string): number | undefined {
  const [, amount, unit] = DURATION.exec(text) ?? []
  if (!amount || !unit) return undefined
  const ms = Math.round(Number(amount) * UNITS[unit as keyof typeof UNITS])
  return ms <= MAX_DURATION ? ms : undefined
}
