import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { longshore as longshoreAt, succeed as succeedAt } from '../../support/cli.ts'
import { TempDir } from '../../support/temp-dir.ts'

const RULE = { name: 'public', who: ['anonymous'], may: ['pull'], on: ['public/*'] }
let scratch: TempDir
beforeEach(() => {
  scratch = new TempDir('longshore-cli-')
})
afterEach(() => scratch.remove())

const longshore = (words: string) => longshoreAt(words, { cwd: scratch.path })
const succeed = (words: string) => succeedAt(words, { cwd: scratch.path })

describe('policy', () => {
  it('shows what was set', async () => {
    scratch.write('policy.json', JSON.stringify({ rules: [RULE] }))
    expect(await succeed('policy set policy.json')).toBe('the policy is now version 1\n')
    expect(JSON.parse(await succeed('policy show'))).toMatchObject({ rules: [RULE] })
  })

  it('explains which rule decides', async () => {
    scratch.write('policy.json', JSON.stringify({ rules: [RULE] }))
    await succeed('policy set policy.json')
    expect(await succeed('policy explain anonymous pull public/app:v1')).toMatch(
      /^anonymous may pull on public\/app:v1, .*"public"\n$/,
    )
  })

  it('names the line and the column of a JSON syntax error', async () => {
    scratch.write('policy.json', '{\r\n  "rules": [],\r\n}')
    const { code, stderr } = await longshore('policy set policy.json')
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(
        /^longshore: .*policy\.json, line 3, column 1: not valid JSON: expected /,
      ),
    })
  })

  it('names the part of a document that is not a policy', async () => {
    scratch.write('policy.json', '{"rules":[{"name":"x"}]}')
    const { code, stderr } = await longshore('policy set policy.json')
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/^longshore: rules\.0/) })
  })

  it.each([
    ['policy explain user:nobody pull app', 'user:nobody'],
    ['policy explain anonymous pull localhost:5000/app:v1', 'invalid tag'],
    ['policy explain anonymous pull App', 'invalid repository name'],
    ['policy explain anonymous fly app', 'action'],
  ])('"%s" is refused', async (words, message) => {
    scratch.write('policy.json', '{"rules":[]}')
    await succeed('policy set policy.json')
    const { code, stderr } = await longshore(words)
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(message) })
  })
})
