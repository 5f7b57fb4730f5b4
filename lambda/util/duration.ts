const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/
/** Ten years. Timers and SQLite integers can hold more. */
const MAX_DURATION = 3_650 * UNITS.d

/** Milliseconds of `24h`, `30m`, `1.5s`, `500ms`; `undefined` for anything else. */
export function parseDuration(text: string): number | undefined {
  const [, amount, unit] = DURATION.exec(text) ?? []
  if (!amount || !unit) return undefined
  const ms = Math.round(Number(amount) * UNITS[unit as keyof typeof UNITS])
  return ms <= MAX_DURATION ? ms : undefined
}
