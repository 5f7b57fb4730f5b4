import { describe, expect, it } from 'vitest'
import type { Answer } from '../../cli/ask.ts'
import { COMMANDS } from '../../cli/commands.ts'

/** Carries out a command with a registry that gives these answers in turn. @returns the result, and what was asked */
async function carryOut(name: string, words: string[], ...answers: Partial<Answer>[]) {
  const asked: string[] = []
  const ask = async (method: string, target: string) => {
    const answer = answers[asked.length]
    asked.push(`${method} ${target}`)
    if (!answer) throw new Error('nothing more was to be asked')
    return { status: 200, headers: {}, json: undefined, ...answer }
  }
  const secret = () => Promise.reject(new Error('no secret is needed'))
  return { result: await COMMANDS[name]?.run(ask, { words, flags: {}, secret }), asked }
}

describe('a list that has more than one page', () => {
  it.each(['', 'https://registry.example'])(
    'is read to its end, with links that begin by %j',
    async origin => {
      const { result, asked } = await carryOut(
        'repo list',
        [],
        {
          json: { repositories: ['a'] },
          headers: { link: `<${origin}/v2/_catalog?n=1&last=a>; rel="next"` },
        },
        { json: { repositories: ['b'] } },
      )
      expect(result).toEqual(['a', 'b'])
      expect(asked).toEqual(['GET /v2/_catalog', 'GET /v2/_catalog?n=1&last=a'])
    },
  )
})

it('a repository is removed until there is no more of it', async () => {
  const { result, asked } = await carryOut(
    'repo remove',
    ['app'],
    { json: { removed: 50, more: true } },
    { json: { removed: 10, more: false } },
  )
  expect(result).toEqual({ repository: 'app', removed: 60 })
  expect(asked).toEqual(Array(2).fill('DELETE /api/repositories/app'))
})
