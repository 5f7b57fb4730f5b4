import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { readSettings } from '../infra/settings.ts'
import { readCommand } from '../server/config.ts'

const README = readFileSync('README.md', 'utf8')

describe('README.md lists', () => {
  it.each(flags())('the flag %s and its variable %s', (flag, variable) => {
    expect(README).toContain(`\n| \`${flag}\` | \`${variable}\` |`)
  })

  it.each(settings())('the setting %s of a deployment', setting => {
    expect(README).toMatch(new RegExp(`^\\|.*\`${setting}\``, 'm'))
  })
})

function flags(): [flag: string, variable: string][] {
  const command = readCommand(['--help'], {})
  const help = 'print' in command ? command.print : ''
  return [...help.matchAll(/^ +(--\S+).*? (LONGSHORE_\w+)/gm)].map(([, flag = '', variable = '']) => [
    flag,
    variable,
  ])
}

/** The settings that the error for an unknown setting lists. */
function settings(): string[] {
  try {
    readSettings({ none: '' })
  } catch (error) {
    const [, list = ''] = /there are (.*)$/.exec(String(error)) ?? []
    return list.split(', ')
  }
  return []
}
