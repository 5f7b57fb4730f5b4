import { describe, expect, it } from 'vitest'
import { CliError } from '../../cli/cli-error.ts'
import { sendOverHttp } from '../../cli/http-registry.ts'
import { ScriptedRegistry } from '../support/scripted-registry.ts'

const LOGIN = { user: 'ann', password: 'correct horse' }

describe('a request over HTTP', () => {
  it('does not follow a redirect with a login', async () => {
    await using registry = await ScriptedRegistry.start({ status: 307, headers: { location: '/elsewhere' } })
    const send = sendOverHttp(`http://${registry.host}`, LOGIN)
    await expect(send('GET', '/api/me')).rejects.toBeInstanceOf(CliError)
    expect(registry.requests).toEqual(['GET /api/me'])
  })

  it('says which registry it cannot reach', async () => {
    await expect(sendOverHttp('http://127.0.0.1:1')('GET', '/v2/')).rejects.toThrow(
      /^cannot reach http:\/\/127\.0\.0\.1:1: /,
    )
  })

  it('says how to reach a server without TLS', async () => {
    await using registry = await ScriptedRegistry.start()
    await expect(sendOverHttp(`https://${registry.host}`)('GET', '/v2/')).rejects.toThrow(
      `the server does not use TLS; to connect without TLS, name it http://${registry.host}`,
    )
  })
})
