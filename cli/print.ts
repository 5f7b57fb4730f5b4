/** Formats a result for people: a list as lines, rows as a table, an object as its fields. */
export function print(value: unknown): string {
  if (!Array.isArray(value)) return typeof value === 'object' && value ? fields(value) : String(value)
  if (value.length === 0) return 'none'
  if (value.every(entry => typeof entry === 'string')) return value.join('\n')
  return table(value as Record<string, unknown>[])
}

function fields(value: object): string {
  const entries = Object.entries(value)
  const width = Math.max(...entries.map(([name]) => name.length))
  return entries.map(([name, field]) => `${name.padEnd(width)}  ${cell(name, field)}`).join('\n')
}

function table(rows: readonly Record<string, unknown>[]): string {
  const columns = [...new Set(rows.flatMap(row => Object.keys(row)))]
  const lines = [columns, ...rows.map(row => columns.map(column => cell(column, row[column])))]
  const widths = columns.map((_, i) => Math.max(...lines.map(line => line[i]?.length ?? 0)))
  return lines
    .map(line =>
      line
        .map((text, i) => text.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

const TIMES = ['created', 'expires', 'lastUsed']

function cell(column: string, value: unknown): string {
  if (value === undefined) return ''
  if (TIMES.includes(column) && typeof value === 'number')
    return `${new Date(value).toISOString().slice(0, 16)}Z`
  if (Array.isArray(value) && value.every(entry => typeof entry === 'string')) return value.join(',')
  if (column === 'grants' && Array.isArray(value)) return value.map(grant).join('; ')
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** Formats a grant like the options of `robot add`. */
function grant({ may, on, tags }: { may: string[]; on: string[]; tags?: string[] }): string {
  return `${may.join(',')} on ${on.join(',')}${tags ? ` tags ${tags.join(',')}` : ''}`
}
