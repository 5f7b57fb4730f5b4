import { expect, it } from 'vitest'
import { openFolder } from '../../cli/ask.ts'
import { digest, indexOf } from '../support/content.ts'
import { Scratch } from '../support/scratch.ts'

it('removes nothing that an immutable tag leads to, when it works on the folder of a server', async () => {
  const scratch = new Scratch('longshore-immutable-')
  const { ask, close } = await openFolder(scratch.path)
  try {
    const child = indexOf()
    const parent = indexOf([child])
    await ask('PUT', `/v2/app/manifests/${digest(child)}`, JSON.parse(child))
    await ask('PUT', '/v2/app/manifests/v1', JSON.parse(parent))
    const policy = { rules: [], immutable: [{ on: ['app'], tags: ['v*'] }] }
    await ask('PUT', '/api/policy', { policy, version: 0 })

    for (const target of [`/v2/app/manifests/${digest(child)}`, '/api/repositories/app'])
      expect((await ask('DELETE', target)).status).toBe(403)
    for (const body of [child, parent])
      expect((await ask('HEAD', `/v2/app/manifests/${digest(body)}`)).status).toBe(200)
  } finally {
    close()
    scratch.remove()
  }
})
