import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { longshore as longshoreAt, succeed as succeedAt } from '../../support/cli.ts'
import { TempDir } from '../../support/temp-dir.ts'

let scratch: TempDir
beforeEach(() => {
  scratch = new TempDir('longshore-cli-')
})
afterEach(() => scratch.remove())

const longshore = (words: string) => longshoreAt(words, { cwd: scratch.path })
const succeed = (words: string) => succeedAt(words, { cwd: scratch.path })

describe('robot', () => {
  it('shows the key of a new robot once', async () => {
    const { key } = JSON.parse(
      await succeed('robot add ci --may pull,push --on team/** --expires 720h --json'),
    )
    expect(key).toMatch(/^lsk_[\w-]{43}$/)
    expect(await succeed('robot list --json')).not.toContain(key.slice(4))
  })

  it('replaces a key', async () => {
    const { key } = JSON.parse(await succeed('robot add ci --may pull --on app --json'))
    expect(JSON.parse(await succeed('robot renew ci --json')).key).not.toBe(key)
  })

  it('gives a new key another lifetime', async () => {
    const added = JSON.parse(await succeed('robot add ci --may pull --on app --expires 1h --json'))
    const renewed = JSON.parse(await succeed('robot renew ci --expires 720h --json'))
    expect(renewed.expires - added.expires).toBeGreaterThan(700 * 60 * 60 * 1000)
  })

  it('lists rights in the words of robot add', async () => {
    await succeed('robot add ci --may pull,push --on team/**,app --tags v*')
    expect(await succeed('robot list')).toContain('pull,push on team/**,app tags v*')
  })

  it('is removed', async () => {
    await succeed('robot add ci --may pull --on app')
    await succeed('robot remove ci')
    expect(await succeed('robot list')).toBe('none\n')
  })

  it.each([
    ['robot add ci --may pull,fly --on x', 'grants.0.may.1'],
    ['robot add ci --may pull --on x --expires 0s', 'expired'],
    ['robot renew nobody', 'not found: robot nobody'],
  ])('"%s" is refused', async (words, message) => {
    await succeed('robot add other --may pull --on app')
    const { code, stderr } = await longshore(words)
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(message) })
  })
})
