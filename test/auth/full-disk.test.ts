import { expect, it } from 'vitest'
import { StorageFull } from '../../lambda/store/blobs.ts'
import { basic, openGuarded, PASSWORD } from '../support/auth.ts'
import { type Fault, withFault } from '../support/faults.ts'
import { MemoryTable } from '../support/memory-table.ts'

it('gives an access token, but none to renew it, when the table is full', async () => {
  const trouble: Fault = { calls: 0 }
  const guarded = await openGuarded({ table: withFault(new MemoryTable(), ['transact'], trouble) })
  trouble.error = new StorageFull('no room for the table')

  const { status, text } = await guarded.as(basic('root', PASSWORD), 'GET', '/token?offline_token=true')

  expect(status).toBe(200)
  expect(JSON.parse(text)).toMatchObject({ token: expect.any(String) })
  expect(JSON.parse(text)).not.toHaveProperty('refresh_token')
})

it.each(['/token', '/v2/'])('answers a wrong password at %s with 401 when the table is full', async path => {
  const trouble: Fault = { calls: 0 }
  const guarded = await openGuarded({ table: withFault(new MemoryTable(), ['transact'], trouble) })
  trouble.error = new StorageFull('no room for the table')

  const { status } = await guarded.as(basic('root', 'not the password'), 'GET', path)

  expect(status).toBe(401)
})
