/** The measurement of one run of a task. */
export interface Sample {
  /** Bytes transferred, or requests answered. */
  readonly work: number
  readonly seconds: number
  /** User and system time of the server, in seconds. */
  readonly cpu: number
}

/** The samples of a task by server, in order. */
type Samples = ReadonlyMap<string, readonly Sample[]>

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/** Speed in the given unit. */
function speed({ work, seconds }: Sample, unit: 'MB/s' | 'req/s'): number {
  return work / seconds / (unit === 'MB/s' ? 1e6 : 1)
}

/** One row for each server, and one with the ratios of each pair of runs: above 1, the first server is better. */
export function reportRows(task: string, unit: 'MB/s' | 'req/s', samples: Samples): string[][] {
  const rows = [...samples].map(([name, all]) => [
    task,
    name,
    `${median(all.map(sample => speed(sample, unit))).toFixed(0)} ${unit}`,
    unit === 'MB/s'
      ? `${median(all.map(({ cpu, work }) => (cpu / work) * 2 ** 30)).toFixed(2)} s/GiB`
      : `${median(all.map(({ cpu, work }) => (cpu / work) * 1e6)).toFixed(0)} µs/req`,
  ])
  const [ours, peers] = [...samples.values()]
  if (!ours || !peers) return rows
  const ratio = (of: (sample: Sample) => number) =>
    median(ours.map((sample, i) => of(sample) / of(peers[i] ?? sample))).toFixed(2)
  const speeds = ratio(sample => speed(sample, unit))
  const efficiency = ratio(({ work, cpu }) => work / cpu)
  return [...rows, [task, 'ratio', speeds, efficiency]]
}

/** Formats a Markdown table with aligned columns. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [headings, headings.map(() => '---'), ...rows]
  const widths = headings.map((_, column) => Math.max(...all.map(row => row[column]?.length ?? 0)))
  return all
    .map(
      row =>
        `| ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0, cell === '---' ? '-' : ' ')).join(' | ')} |`,
    )
    .join('\n')
}
