import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatScope, parseScopes } from '../../lambda/protocol/scope.ts'

it.each([
  [['repository:a/b:pull,push'], [{ type: 'repository', name: 'a/b', actions: ['pull', 'push'] }]],
  [['registry:catalog:*'], [{ type: 'registry', name: 'catalog', actions: ['*'] }]],
  [
    ['repository:localhost:5000/a:pull'],
    [{ type: 'repository', name: 'localhost:5000/a', actions: ['pull'] }],
  ],
  [['repository:a:'], [{ type: 'repository', name: 'a', actions: [] }]],
  [['nonsense', 'repository:a', ''], []],
])('parses %j', (texts, scopes) => {
  expect(parseScopes(texts)).toEqual(scopes)
})

it('parses several scopes in one text or in many', () => {
  const scopes = ['repository:a:pull', 'repository:b:push']
  expect(parseScopes([scopes.join(' ')])).toEqual(parseScopes(scopes))
  expect(parseScopes(scopes).map(formatScope)).toEqual(scopes)
})

it('parses at most fifty scopes, because all of them are in the token', () => {
  expect(parseScopes(Array(60).fill('repository:a:pull'))).toHaveLength(50)
})

it.each([
  ['repository:app:pull,metadata_read', ['pull']],
  ['repository:app:scanner-pull,push,content/read', ['push']],
  ['repository:app:Pull2', []],
  ['repository:app:pull,,pull', ['pull']],
  ['repository(plugin):app:pull', ['pull']],
])('keeps the known actions of %s', (text, actions) => {
  expect(parseScopes([text])).toEqual([{ type: 'repository', name: 'app', actions }])
})

it.each(['mystery:app:pull', 'Repository:app:pull', 'repository(x)y:app:pull', ':app:pull'])(
  'omits %s, whose type is unknown',
  text => {
    expect(parseScopes([text])).toEqual([])
  },
)

describe('unknown actions', () => {
  const action = fc.constantFrom('pull', 'push', 'delete', '*')
  const unknownAction = fc
    .stringMatching(/^[!-+\--9;-~]{1,12}$/)
    .filter(word => !['pull', 'push', 'delete', '*'].includes(word))
  const unknownScope = fc.oneof(
    fc.stringMatching(/^[!-9;-~]{1,20}$/),
    fc.stringMatching(/^[A-Z]{1,8}:[a-z]{1,8}:pull$/),
  )
  const words = fc.array(fc.oneof(action, unknownAction), { maxLength: 8 })
  const name = fc.constantFrom('app', 'a/b', 'localhost:5000/a', 'Host.example:443/a/b')
  const type = fc.constantFrom('repository', 'registry', 'repository(plugin)')
  const scope = fc.record({ type, name, words })
  const isAction = (word: string) => ['pull', 'push', 'delete', '*'].includes(word)

  it('change nothing at any position', () => {
    const texts = fc.array(fc.array(fc.oneof(scope, unknownScope), { maxLength: 4 }), { maxLength: 4 })
    fc.assert(
      fc.property(texts, lists => {
        const write = (keep: (word: string) => boolean, list: (typeof lists)[number]) =>
          list.flatMap(one => {
            if (typeof one === 'string') return keep(one) ? [one] : []
            return [`${one.type}:${one.name}:${one.words.filter(keep).join(',')}`]
          })
        const mixed = lists.map(list => write(() => true, list).join(' '))
        const without = lists.map(list => write(isAction, list).join(' '))
        expect(parseScopes(mixed)).toEqual(parseScopes(without))
      }),
    )
  })
})
