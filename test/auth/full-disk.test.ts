import { expect, it } from 'vitest'
import { StorageFull } from '../../lambda/store/blobs.ts'
import { basic, openGuarded, PASSWORD } from '../support/auth.ts'
import { type Fault, withFault } from '../support/faults.ts'
import { MemoryTable } from '../support/memory-table.ts'

it('a login on a full disk gets an access token but no refresh token', async () => {
  const fault: Fault = { calls: 0 }
  const guarded = await openGuarded({ table: withFault(new MemoryTable(), ['transact'], fault) })
  fault.error = new StorageFull('no room for the table')

  const { status, text } = await guarded.as(basic('root', PASSWORD), 'GET', '/token?offline_token=true')

  expect(status).toBe(200)
  expect(JSON.parse(text)).toMatchObject({ token: expect.any(String) })
  expect(JSON.parse(text)).not.toHaveProperty('refresh_token')
})

it.each(['/token', '/v2/'])('a wrong password at %s on a full disk gets 401', async path => {
  const fault: Fault = { calls: 0 }
  const guarded = await openGuarded({ table: withFault(new MemoryTable(), ['transact'], fault) })
  fault.error = new StorageFull('no room for the table')

  const { status } = await guarded.as(basic('root', 'not the password'), 'GET', path)

  expect(status).toBe(401)
})
