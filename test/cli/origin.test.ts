import { describe, expect, it } from 'vitest'
import { CliError } from '../../cli/cli-error.ts'
import { registryHost, registryOrigin } from '../../cli/origin.ts'

describe('the name of a registry', () => {
  it.each([
    ['registry.example', 'https://registry.example', 'registry.example'],
    ['registry.example:8443', 'https://registry.example:8443', 'registry.example:8443'],
    ['https://registry.example', 'https://registry.example', 'registry.example'],
    ['https://registry.example/', 'https://registry.example', 'registry.example'],
    ['http://registry.example:5000', 'http://registry.example:5000', 'registry.example:5000'],
    ['localhost:5000', 'http://localhost:5000', 'localhost:5000'],
    ['https://localhost:5000', 'https://localhost:5000', 'localhost:5000'],
    ['127.0.0.1:5000', 'http://127.0.0.1:5000', '127.0.0.1:5000'],
    ['127.evil.example', 'https://127.evil.example', '127.evil.example'],
    ['localhost.evil.example', 'https://localhost.evil.example', 'localhost.evil.example'],
    ['[::1]:5000', 'http://[::1]:5000', '[::1]:5000'],
  ])('%s leads to %s and is stored as %s', (registry, origin, host) => {
    expect([registryOrigin(registry), registryHost(registry)]).toEqual([origin, host])
  })

  it.each(['https://registry.example/v1/', 'registry.example/v1/', 'registry.example/team/app'])(
    '%s is reduced to its host',
    registry => expect(registryHost(registry)).toBe('registry.example'),
  )

  it.each(['', 'not a host', 'https://', 'https:', 'ftp://registry.example', 'ann@registry.example'])(
    '%j is refused',
    registry => expect(() => registryHost(registry)).toThrow(CliError),
  )
})
