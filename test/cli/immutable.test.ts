import { expect, it } from 'vitest'
import { openFolder } from '../../cli/embedded-registry.ts'
import { digest, indexOf } from '../support/content.ts'
import { cheapPasswords } from '../support/passwords.ts'
import { TempDir } from '../support/temp-dir.ts'

it('the registry in a folder does not remove content that an immutable tag needs', async () => {
  const scratch = new TempDir('longshore-immutable-')
  const { send, close } = await openFolder(scratch.path, { create: true, passwords: cheapPasswords })
  try {
    const child = indexOf()
    const parent = indexOf([child])
    await send('PUT', `/v2/app/manifests/${digest(child)}`, JSON.parse(child))
    await send('PUT', '/v2/app/manifests/v1', JSON.parse(parent))
    const policy = { rules: [], immutable: [{ on: ['app'], tags: ['v*'] }] }
    await send('PUT', '/api/policy', { policy, version: 0 })

    for (const target of [`/v2/app/manifests/${digest(child)}`, '/api/repositories/app'])
      expect((await send('DELETE', target)).status).toBe(403)
    for (const body of [child, parent])
      expect((await send('HEAD', `/v2/app/manifests/${digest(body)}`)).status).toBe(200)
  } finally {
    await close()
    scratch.remove()
  }
})
