import { expect, it } from 'vitest'
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
])('reads %j', (texts, scopes) => {
  expect(parseScopes(texts)).toEqual(scopes)
})

it('reads several, in one text or in many', () => {
  const scopes = ['repository:a:pull', 'repository:b:push']
  expect(parseScopes([scopes.join(' ')])).toEqual(parseScopes(scopes))
  expect(parseScopes(scopes).map(formatScope)).toEqual(scopes)
})

it('reads fifty at most, because all of them are in the token', () => {
  expect(parseScopes(Array(60).fill('repository:a:pull'))).toHaveLength(50)
})
