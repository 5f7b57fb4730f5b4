import { describe, expect, it } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { basic, openGuarded, PASSWORD } from '../support/auth.ts'
import { type Fault, withFault } from '../support/faults.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { openRegistry } from '../support/registry.ts'

const PATHS = ['/healthz', '/']

describe.each(PATHS)('%s', path => {
  it('requires no login, and ignores any credentials', async () => {
    const { as } = await openGuarded()
    const logins = [{}, basic('root', PASSWORD), basic('root', 'wrong'), { authorization: 'Bearer x' }]
    for (const login of logins) expect((await as(login, 'GET', path)).status).toBe(200)
  })

  it('does not read from the storage', async () => {
    const fault: Fault = { error: new Error('the storage is down'), calls: 0 }
    const table = withFault(new MemoryTable(), ['get', 'getMany', 'query', 'transact'], fault)
    await openRegistry({ table }).expectStatus(200, 'GET', path)
    expect(fault.calls).toBe(0)
  })

  it('responds to HEAD with the headers of GET', async () => {
    const registry = openRegistry()
    const { headers } = await registry.expectStatus(200, 'GET', path)
    expect((await registry.expectStatus(200, 'HEAD', path)).headers).toEqual(headers)
  })

  it('does not contain the version', async () => {
    const { text, headers } = await openRegistry().get(path)
    expect(text + JSON.stringify(headers)).not.toContain(packageJson.version)
  })

  it('rejects other methods', async () => {
    const { headers } = await openRegistry().expectStatus(405, 'POST', path)
    expect(headers.allow).toBe('GET, HEAD')
  })

  it('is logged by its path', async () => {
    const { exchange } = await openRegistry().get(path)
    expect(exchange).toMatchObject({ route: path, action: 'none' })
  })
})
