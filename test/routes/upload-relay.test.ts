import { beforeEach, describe, expect, it } from 'vitest'
import { RegistryError } from '../../lambda/protocol/errors.ts'
import type { UploadRelay, UploadStart } from '../../lambda/routes/upload-relay.ts'
import { basic, openGuarded, PASSWORD } from '../support/auth.ts'
import { digest } from '../support/content.ts'
import { openRegistry } from '../support/registry.ts'

/** A relay that records its calls with the client's User-Agent. */
class RecordingRelay implements UploadRelay {
  readonly calls: string[] = []
  start: UploadStart = { kind: 'begin', query: 'relay=1' }

  async announce(userAgent?: string): Promise<void> {
    this.calls.push(`announce ${userAgent}`)
  }
  async beginUpload(userAgent?: string): Promise<UploadStart> {
    this.calls.push(`begin ${userAgent}`)
    return this.start
  }
  async wakeForPatch(userAgent?: string): Promise<never> {
    this.calls.push(`wake ${userAgent}`)
    throw new RegistryError('UNAVAILABLE', { message: 'the relay is starting' })
  }
}

const UPLOADS = '/v2/app/blobs/uploads/'
const CLIENT = { 'user-agent': 'client/1' }
let relay: RecordingRelay
beforeEach(() => {
  relay = new RecordingRelay()
})

describe('a POST that begins an upload', () => {
  it('waits for the relay, and keeps its hint in every URL of the session', async () => {
    const registry = openRegistry({ relay })

    const begun = await registry.expectStatus(202, 'POST', UPLOADS, { headers: CLIENT })
    const patched = await registry.expectStatus(202, 'PATCH', begun.headers.location ?? '', { body: 'bytes' })

    expect(relay.calls).toEqual(['begin client/1'])
    for (const { headers } of [begun, patched]) expect(headers.location).toMatch(/\?relay=1$/)
  })

  it('has no hint when the relay is not needed', async () => {
    relay.start = { kind: 'begin', query: undefined }
    const { headers } = await openRegistry({ relay }).expectStatus(202, 'POST', UPLOADS)
    expect(headers.location).not.toContain('relay=')
  })

  it('is redirected to itself when the client must repeat it', async () => {
    relay.start = { kind: 'repeat' }
    const { headers } = await openRegistry({ relay }).expectStatus(307, 'POST', `${UPLOADS}?mount=x&from=b`)
    expect(headers.location).toBe(`${UPLOADS}?mount=x&from=b`)
  })

  it('does not wait when it contains the blob or mounts it', async () => {
    const registry = openRegistry({ relay })
    const blob = digest('small')

    await registry.expectStatus(201, 'POST', `${UPLOADS}?digest=${blob}`, { body: 'small' })
    await registry.expectStatus(201, 'POST', `/v2/other/blobs/uploads/?mount=${blob}&from=app`)

    expect(relay.calls).toEqual([])
  })
})

describe('a GET of a session with wake', () => {
  it('starts the relay', async () => {
    const registry = openRegistry({ relay })
    const { headers } = await registry.expectStatus(202, 'POST', UPLOADS)

    await registry.expectStatus(503, 'GET', `${headers.location}&wake=1`, { headers: CLIENT })

    expect(relay.calls.at(-1)).toBe('wake client/1')
  })

  it('starts nothing for a session that does not exist', async () => {
    const registry = openRegistry({ relay })
    await registry.expectStatus(404, 'GET', `${UPLOADS}00000000-0000-4000-8000-000000000000?wake=1`)
    expect(relay.calls).toEqual([])
  })
})

describe('a token', () => {
  const tokenFor = async (scope: string, login: Record<string, string>) => {
    const { as, setPolicy } = await openGuarded({ relay })
    await setPolicy({ rules: [{ name: 'public', who: ['anonymous'], may: ['pull'], on: ['**'] }] })
    return as({ ...CLIENT, ...login }, 'GET', `/token?scope=${scope}`)
  }

  it('for a push announces it to the relay', async () => {
    await tokenFor('repository:app:pull,push', basic('root', PASSWORD))
    expect(relay.calls).toEqual(['announce client/1'])
  })

  it.each([
    ['for a pull', 'repository:app:pull', basic('root', PASSWORD)],
    ['for a push that the policy does not allow', 'repository:app:pull,push', {}],
    ['for a wrong login', 'repository:app:pull,push', basic('root', 'wrong')],
  ])('%s announces nothing', async (_, scope, login) => {
    await tokenFor(scope, login)
    expect(relay.calls).toEqual([])
  })

  it('is issued when the relay fails', async () => {
    relay.announce = async () => Promise.reject(new Error('no table'))
    expect((await tokenFor('repository:app:push', basic('root', PASSWORD))).status).toBe(200)
  })
})
