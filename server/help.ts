import { flagOf, settingEntries, variableOf } from './settings.ts'

/** The text of `--help`. */
export function helpText(): string {
  const rows = settingEntries().map(([name, { value, meaning, fallback, secret }]) => [
    secret ? '' : `--${flagOf(name)} ${value}`,
    variableOf(name),
    fallback ? `${meaning} (${fallback})` : meaning,
  ])
  rows.push(['--new-table', '', 'create a new database if registry.sqlite is missing'])
  rows.push(['--help', '', 'print help'], ['--version', '', 'print the version'])
  const widths = [0, 1].map(column => Math.max(...rows.map(row => row[column]?.length ?? 0)))
  const lines = rows.map(row => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '))
  return [
    'Usage: longshore serve [flags]   (in a clone: npm start -- [flags])',
    '',
    'Serves a container registry from one folder. A flag overrides its variable.',
    '',
    ...lines.map(line => `  ${line}`),
  ].join('\n')
}
